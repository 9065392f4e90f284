"""Single weights by magnitude or at random."""
