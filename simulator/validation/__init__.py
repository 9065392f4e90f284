"""Our figures beside published ones, our DRAM beside other simulators, with their data."""
