"""The machine that runs pattern-pruned kernels."""
