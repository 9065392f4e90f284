"""Where non-zeros lie: drawn, named, recognised."""
