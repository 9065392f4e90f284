"""Cores in SystemVerilog, written from the machines' descriptions, against which the kernels' cycles are compared."""
