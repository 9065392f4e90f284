"""The machine that runs nested (stacked) sparsity."""
