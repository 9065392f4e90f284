"""Eyeriss and Eyeriss v2: rows of weights stay in the PEs, and sums go down chains of them."""
