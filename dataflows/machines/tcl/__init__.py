"""TCL, the front end of Bit-Tactical: a schedule of weights that skips those that are zero."""
