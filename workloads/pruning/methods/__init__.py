"""The prunings, a file or a folder each."""
