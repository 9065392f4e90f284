"""Cambricon-X: PEs that select the activations of their non-zero weights."""
