"""Tensor cores of a GPU: with 2:4 weights, and dual-side sparse ones."""
