"""A systolic array whose sums or whose weights stay."""
