"""A network's layers in a row: what each reads and writes beside its own work, and the run of them all."""
