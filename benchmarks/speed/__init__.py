"""What the table of speeds measures, a part a file; where it is measured (`sides`, `worker`), and its limits."""
