"""Groups of kernels kept or removed together."""
