"""Other simulators beside ours, where they are installed: how each is asked for the same work, and what it says."""
