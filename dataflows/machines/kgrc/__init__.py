"""The 3-D machine that skips pruned kernel groups."""
