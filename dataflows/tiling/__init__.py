"""How a layer is cut into tiles, and which runs of DRAM they move; knows no machine."""
