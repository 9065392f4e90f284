"""How compiled code is made and shared."""
