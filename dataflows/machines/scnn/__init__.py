"""SCNN: Cartesian products of non-zero weights and activations."""
