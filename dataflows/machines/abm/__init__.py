"""ABM-SpConv and Sparse-YOLO: activations of one weight value are added first and multiplied once."""

from dataflows.machines.abm.abm import Abm, AbmSpec, SparseYolo, SparseYoloSpec, expected_distinct, group_by_value

__all__ = ["Abm", "AbmSpec", "SparseYolo", "SparseYoloSpec", "expected_distinct", "group_by_value"]
