"""Energy and area: what counted actions cost in a technology, by tables that ship with their sources."""
