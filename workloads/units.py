"""How many of a unit make up the larger one."""

KIB, MIB = 1 << 10, 1 << 20  # bytes
BYTES_PER_MB, BYTES_PER_GB = 10**6, 10**9
MICROSECONDS, NANOSECONDS, PICOSECONDS = 10**6, 10**9, 10**12  # in a second
PICOSECONDS_PER_NANOSECOND = 1000
