"""Cnvlutin: a DaDianNao whose neuron lanes skip zero inputs."""
