"""Channels removed across the layers that share them."""
