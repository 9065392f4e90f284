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
    # Images side by side are the positions of one row: a batch of 8 is a 1x1 kernel over a map of 1 x 8, and weights
    # that stay for all positions of a map are loaded once for the batch.
    return replace(layer, batch=1, input_size=(1, layer.batch), fully_connected=False)
