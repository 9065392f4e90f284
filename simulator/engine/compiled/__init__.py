"""The engine's event loop as compiled code, for runs that nobody watches: same events, same order, same ties."""
