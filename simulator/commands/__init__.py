"""What a user types, and nothing else."""
