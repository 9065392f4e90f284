"""PyTorch models and weights alone."""
