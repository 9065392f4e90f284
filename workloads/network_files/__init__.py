"""A user's network as TOML."""
