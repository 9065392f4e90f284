"""Systolic arrays of three stationarities."""
