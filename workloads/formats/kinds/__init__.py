"""The storage formats, a file each."""
