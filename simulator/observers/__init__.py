"""What can watch a run: the timeline and the recorder of DRAM requests."""
