"""Many points: file, point, store and workers."""
