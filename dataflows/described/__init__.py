"""Machines that are described and not programmed: a schema, and fixed kernels that count what a description costs."""
