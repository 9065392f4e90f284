"""The best designs under limits: which points of a space are simulated next, and the front of all that were."""
