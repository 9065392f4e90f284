"""One schedule played as discrete events: array, buffers, memory seen as transfers."""
