"""What limits a layer on a machine, and what would help: every answer simulated where it can be."""
