"""Kernels that keep one of a few patterns."""
