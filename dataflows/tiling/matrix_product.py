"""Layers as one product of matrices, in which the images of a fully connected layer share its weights."""

from __future__ import annotations

from dataclasses import replace

from workloads.layer import Layer


def product_layer(layer: Layer) -> Layer:
    """A layer of the same products whose output positions are the images, when it is fully connected.

    Any other layer as it is. Inputs and outputs with all channels of a position side by side lie as they did.
    """
    if not layer.fully_connected or layer.batch == 1:
        return layer
    return replace(layer, batch=1, input_size=(1, layer.batch), fully_connected=False)
