"""A PE of Cambricon-X with its indexing module."""
