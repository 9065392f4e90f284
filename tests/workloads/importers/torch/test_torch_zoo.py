"""`capture`: the products of a zoo of models, counted by torch's own counter or from shapes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (skips first)
from torch.nn import functional as F  # noqa: E402, N812 (its usual name)
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from tests.workloads.importers.torch.torch_zoo import ZOO, MaskedConv, fresh  # noqa: E402
from workloads.importers import capture  # noqa: E402


def counted(model, inputs):
    """Products of one run; torch counts two operations for each."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(*inputs)
    return counter.get_total_flops() // 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ZOO)
def test_the_products_are_those_that_torch_runs(name):
    model, inputs, macs = fresh(name)
    imported = capture(model, inputs)
    wanted = counted(model, inputs) if macs is None else macs
    layers = imported.workload.layers
    assert wanted > 0
    assert sum(layer.dense_macs for layer in layers) == wanted
    assert not any(one.refused for one in imported.omitted)
    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names)


def density(name, layer=0):
    model, inputs, _ = fresh(name)
    trace = capture(model, inputs).workload.trace(layer)
    return model, trace.weight_nonzeros / trace.weight_mask.size


def share(weights):
    return int(torch.count_nonzero(weights)) / weights.numel()


@pytest.mark.filterwarnings("ignore")
def test_the_density_is_that_of_the_weights_that_the_operator_read():
    model, found = density("masked in forward")
    assert (share(model[0].weight), found) == (1.0, 0.25)
    model, found = density("rounded in forward")
    assert found == share(torch.round(model[0].weight)) < share(model[0].weight)
    model, found = density("quantization-aware", 1)
    assert found == share(model.last.weight_fake_quant(model.last.weight)) < share(model.last.weight)
    model, found = density("quantized", 2)
    assert found == share(model.last.weight().dequantize()) < 1
    model, found = density("dynamic linear", 2)
    assert found == share(model[5].weight().dequantize()) < 1


@st.composite
def stages(draw):
    """Modules that run one after another on images of 4 channels, 2 on 8 by 7, and give such again or fewer."""
    found, size, channels = [], (8, 7), 4
    for kind in draw(st.lists(st.sampled_from(["conv", "function", "masked", "pointwise", "relu"]), max_size=4)):
        if kind == "relu":
            found.append(nn.ReLU(inplace=draw(st.booleans())))
            continue
        kernel = tuple(draw(st.integers(1, min(3, axis))) for axis in size)
        groups, filters = draw(st.sampled_from([1, 2])), draw(st.sampled_from([2, 4, 6]))
        options = {"stride": draw(st.integers(1, 2)), "padding": draw(st.integers(0, 2)), "groups": groups}
        if kind == "pointwise":
            found.append(Last(nn.Linear(channels, filters, bias=draw(st.booleans()))))
        else:
            make = {"conv": nn.Conv2d, "masked": MaskedConv, "function": Called}[kind]
            found.append(make(channels, filters, kernel, **options))
            size = tuple(
                (axis + 2 * options["padding"] - taps) // options["stride"] + 1
                for axis, taps in zip(size, kernel, strict=True)
            )
        channels = filters
    return [*found, *draw(st.sampled_from([[], [nn.Flatten(), nn.Linear(channels * size[0] * size[1], 3)]]))]


class Last(nn.Module):
    """A module over the channels as the last axis."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Called(nn.Module):
    """A convolution that is called as a function, and multiplied with itself, image by image."""

    def __init__(self, channels, filters, kernel, **options):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(filters, channels // options["groups"], *kernel))
        self.options = options

    def forward(self, x):
        y = F.conv2d(x, self.weight, **self.options)
        return y + (y.flatten(2) @ y.flatten(2).transpose(1, 2)).sum((1, 2)).view(-1, 1, 1, 1)


@settings(max_examples=25, deadline=None)
@given(modules=stages(), images=st.integers(1, 3))
def test_random_models_have_the_products_that_torch_runs(modules, images):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), *modules).eval()
    inputs = (torch.rand(images, 3, 8, 7),)
    imported = capture(model, inputs)
    layers = imported.workload.layers
    assert sum(layer.dense_macs for layer in layers) == counted(model, inputs)
    assert not any(one.refused for one in imported.omitted)
    graph = imported.workload.graph
    if graph is not None:
        graph.require_layers([layer.name for layer in layers])
