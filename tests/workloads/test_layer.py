from dataclasses import replace

import pytest

from workloads.errors import InputError
from workloads.layer import Layer


def conv(**changes):
    settings = {"in_channels": 4, "out_channels": 8, "input_size": (8, 8), "kernel_size": 3, **changes}
    return Layer.conv("conv", **settings)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "output"),
    [
        (224, 11, 4, 0, 1, 54),
        (224, 11, 4, 2, 1, 55),
        (227, 11, 4, 0, 1, 55),
        (14, 11, 4, 0, 1, 1),
        (7, 3, 2, 1, 1, 4),
        (32, 3, 1, 0, 2, 28),
    ],
)
def test_output_size_is_floored(size, kernel, stride, padding, dilation, output):
    layer = conv(input_size=(size, size), kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    assert layer.output_size == (output, output)


def test_axes_may_differ():
    layer = conv(input_size=(9, 8), kernel_size=(3, 1), stride=(2, 1), padding=((0, 1), (2, 0)), dilation=(2, 1))
    assert layer.kernel_span == (5, 1)
    assert layer.output_size == (3, 10)
    assert layer.dense_macs == 8 * 3 * 10 * 4 * 3


def test_three_axes_groups_and_batch():
    layer = conv(input_size=(4, 6, 6), padding=1, groups=2, batch=3)
    assert layer.weight_shape == (8, 2, 3, 3, 3)
    assert layer.input_shape == (3, 4, 4, 6, 6)
    assert layer.output_shape == (3, 8, 4, 6, 6)
    assert layer.dense_macs == 3 * 8 * 4 * 36 * 2 * 27


def test_a_fully_connected_layer_is_a_1x1_convolution():
    layer = Layer.dense("fc", in_features=12, out_features=5, batch=2)
    assert layer.weight_shape == (5, 12, 1, 1)
    assert layer.dense_macs == 120
    assert layer.with_batch(4).dense_macs == 240


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 0}, "layer 'conv': stride = 0, must be a whole number of at least 1"),
        ({"in_channels": 0}, "layer 'conv': in_channels = 0, must be a whole number of at least 1"),
        ({"batch": True}, "layer 'conv': batch = True, must be a whole number of at least 1"),
        ({"groups": 3}, "layer 'conv': groups = 3 does not divide in_channels = 4"),
        ({"groups": 4, "out_channels": 6}, "layer 'conv': groups = 4 does not divide out_channels = 6"),
        ({"kernel_size": 9}, "layer 'conv': kernel spans 9 but the padded input only 8"),
        ({"dilation": 5, "padding": 1}, "layer 'conv': kernel spans 11 but the padded input only 10"),
        ({"padding": -1}, "layer 'conv': padding = -1, must be a whole number of at least 0"),
        ({"input_size": (8,)}, "layer 'conv': input_size = (8,), must have 2 or 3 axes"),
        ({"stride": (1, 1, 1)}, "layer 'conv': stride = (1, 1, 1), must have 2 values"),
        ({"padding": (1,)}, "layer 'conv': padding = ((1, 1),), must have 2 (before, after) pairs"),
    ],
)
def test_impossible_layers_cannot_be_built(changes, message):
    with pytest.raises(InputError) as caught:
        conv(**changes)
    assert str(caught.value) == message


def test_a_layer_needs_a_name_and_a_dense_one_a_1x1_map():
    with pytest.raises(InputError, match="name must be a non-empty text"):
        Layer.dense("", in_features=1, out_features=1)
    with pytest.raises(InputError, match="a fully connected layer has a 1x1 map and a 1x1 kernel"):
        Layer("fc", 4, 4, (2, 2), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), fully_connected=True)


def test_a_product_of_two_activations_has_its_images_among_the_groups():
    layer = Layer.product("qk", heads=3, rows=197, depth=64, columns=197, batch=2)
    assert layer.moving_weights
    assert (layer.groups, layer.batch, layer.moving_images) == (6, 1, 2)
    assert layer.weight_shape == (6 * 197, 64, 1, 1)
    assert layer.input_shape == (1, 6 * 64, 1, 197)
    assert layer.dense_macs == 2 * 3 * 197 * 64 * 197
    assert layer.with_batch(5).with_batch(1) == Layer.product("qk", heads=3, rows=197, depth=64, columns=197)
    assert not conv().moving_weights


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel_size": (3, 3), "in_channels": 2, "out_channels": 2, "input_size": (3, 3)},
        {"stride": (1, 2)},
        {"dilation": (2, 1)},
        {"padding": ((0, 0), (0, 1))},
        {"batch": 2},
        {"fully_connected": True, "input_size": (1, 1)},
    ],
)
def test_moving_weights_are_of_matrices(changes):
    layer = Layer.product("p", heads=2, rows=4, depth=3, columns=5)
    with pytest.raises(InputError) as caught:
        replace(layer, **changes)
    assert str(caught.value) == (
        "layer 'p': a product of two activations (moving weights) has a 1x1 kernel, stride and dilation 1, no padding, "
        "and its images among the groups"
    )


def test_images_of_a_product_divide_its_groups():
    with pytest.raises(InputError, match=r"^layer 'p': moving_images = 3 does not divide groups = 2$"):
        replace(Layer.product("p", heads=2, rows=4, depth=3, columns=5), moving_images=3)
    with pytest.raises(InputError, match="moving_images = True, must be a whole number of at least 0"):
        replace(Layer.product("p", heads=2, rows=4, depth=3, columns=5), moving_images=True)
    with pytest.raises(InputError, match="batch = 0, must be a whole number of at least 1"):
        Layer.product("p", heads=2, rows=4, depth=3, columns=5, batch=0)
