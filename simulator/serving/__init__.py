"""A machine that serves images as they arrive: arrivals, a queue, batches, and how long each image takes."""
