"""WHAT WORK: one file a machine, which maps the trace of a layer onto tiles of work; kernels; no clock."""
