"""With what: layers, networks, pruning, non-zero patterns, storage formats. Needs numpy only."""
