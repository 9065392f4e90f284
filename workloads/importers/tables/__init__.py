"""Shapes and arrays in the files of other tools: topologies, problems, matrices and folders."""
