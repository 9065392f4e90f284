"""EIE: compressed matrices times broadcast activations."""
