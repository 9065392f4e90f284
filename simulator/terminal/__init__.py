"""Reports as tables of text."""
