"""Layers factored into thinner ones."""
