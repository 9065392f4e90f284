"""The kinds of plots. A file dropped here whose functions say `@kind` is known to `prunesim plot` and in notebooks."""
