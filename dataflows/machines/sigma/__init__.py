"""SIGMA: sparse matrix products on flexible dot-product engines."""
