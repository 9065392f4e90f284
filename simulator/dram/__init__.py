"""Banked DRAM: standards, address maps, the FR-FCFS controller and its agreement with other simulators."""
