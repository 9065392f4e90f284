"""`capture`: attention and other products of functions, transposed convolutions, recurrent modules."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (skips first)

from dataflows.truth.convolution import reference_convolution  # noqa: E402
from workloads.errors import InputError  # noqa: E402
from workloads.importers import capture  # noqa: E402
from workloads.importers.imported import STEPS  # noqa: E402

torch.manual_seed(6)


class Product(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *given):
        return self.function(*given)


FUNCTIONS = {
    "matmul": (torch.matmul, (2, 3, 5, 4), (2, 3, 4, 6)),
    "operator": (lambda a, b: a @ b, (2, 5, 4), (2, 4, 6)),
    "bmm": (torch.bmm, (2, 5, 4), (2, 4, 6)),
    "matrices": (torch.mm, (5, 4), (4, 6)),
    "einsum": (lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b), (2, 3, 5, 4), (2, 3, 6, 4)),
    "added": (lambda a, b: torch.baddbmm(torch.zeros(2, 5, 6), a, b), (2, 5, 4), (2, 4, 6)),
}


def whole(*shape):
    return torch.randint(-3, 4, shape).float()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_product_of_two_activations_computes_what_torch_computes(name):
    function, left, right = FUNCTIONS[name]
    a, b = whole(*left), whole(*right)
    trace = capture(Product(function), (a, b)).workload.trace(0)
    assert trace.moving_weights
    assert trace.layer.name == "product"
    outputs = reference_convolution(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))
    wanted = function(a, b).numpy()
    outputs = outputs.reshape(trace.layer.groups, trace.layer.group_out_channels, -1).transpose(0, 2, 1)
    np.testing.assert_array_equal(outputs.reshape(wanted.shape), wanted)
    assert trace.layer.moving_images == (2 if name != "matrices" else 1)


def transformer(**options):
    return nn.TransformerEncoderLayer(48, 3, 96, batch_first=True, **options)


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention_has_all_of_its_products(need_weights):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.MultiheadAttention(48, 3, batch_first=True)

        def forward(self, x):
            return self.heads(x, x, x, need_weights=need_weights)[0]

    model, x = Attention(), torch.rand(2, 10, 48)
    layers = capture(model, x).workload.layers
    assert sum(layer.dense_macs for layer in layers) == 2 * (10 * 4 * 48**2 + 2 * 10**2 * 48)
    moving = [(layer.groups, layer.moving_images) for layer in layers if layer.moving_weights]
    assert moving == [(6, 2), (6, 2)]


def test_an_encoder_layer_has_the_products_of_its_definition_and_is_left_as_it_was():
    model, x = transformer(), torch.rand(2, 10, 48)
    before = torch.backends.mha.get_fastpath_enabled()
    imported = capture(model, x)
    assert torch.backends.mha.get_fastpath_enabled() is before
    macs = sum(layer.dense_macs for layer in imported.workload.layers)
    assert macs == 2 * (10 * (4 * 48**2 + 2 * 48 * 96) + 2 * 10**2 * 48)
    assert [layer.moving_weights for layer in imported.workload.layers] == [False, True, True, False, False, False]
    assert not any(one.refused for one in imported.omitted)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_sides_that_are_computed_from_parameters_are_weights():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(whole(6, 4))
            self.register_buffer("mask", (torch.rand(6, 4) < 0.5).float())

        def forward(self, x):
            return nn.functional.linear(x, self.weight * self.mask)

    model, x = Masked(), whole(5, 4)
    imported = capture(model, x)
    assert imported.omitted == ()
    trace = imported.workload.trace(0)
    assert not trace.moving_weights
    assert trace.weight_nonzeros == int(torch.count_nonzero(model.weight * model.mask))
    outputs = reference_convolution(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))
    np.testing.assert_array_equal(outputs[0, :, 0].T, model(x).detach().numpy())


def test_a_buffer_that_activations_are_written_into_moves():
    class Cache(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("keys", torch.zeros(5, 4))

        def forward(self, x):
            self.keys[:] = x
            return x @ self.keys.T

    assert capture(Cache(), whole(5, 4)).workload.layers[0].moving_weights


def test_a_constant_stack_is_refused():
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(whole(2, 4, 6))

        def forward(self, x):
            return x @ self.weight

    with pytest.raises(InputError, match="holds no convolution"):
        capture(Stack(), whole(2, 5, 4))


TRANSPOSED = {
    "plain": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), (2, 4, 5, 6)),
    "grouped": (nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), dilation=(2, 1), groups=2), (1, 4, 5, 4)),
    "row": (nn.ConvTranspose1d(3, 5, 4, stride=3, padding=2), (2, 3, 9)),
    "video": (nn.ConvTranspose3d(2, 4, (2, 3, 2), stride=(1, 2, 2)), (1, 2, 3, 4, 3)),
    "no_batch": (nn.ConvTranspose2d(3, 5, 3, stride=2), (3, 4, 4)),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_a_transposed_convolution_computes_what_torch_computes(name):
    module, shape = TRANSPOSED[name]
    module.weight.data = whole(*module.weight.shape)
    module.bias.data.zero_()
    x = whole(*shape)
    trace = capture(nn.Sequential(module), x).workload.trace(0)
    outputs = reference_convolution(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))
    wanted = module(x).detach().numpy()
    np.testing.assert_array_equal(outputs.reshape(wanted.shape), wanted)
    phases = capture(nn.Sequential(module), x, transposed="phases").workload
    assert len(phases.layers) > 1
    assert sum(layer.dense_macs for layer in phases.layers) < trace.layer.dense_macs


def test_an_output_size_of_the_callers_choice():
    up = nn.ConvTranspose2d(3, 5, 3, stride=2)

    class Up(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = up

        def forward(self, x):
            return self.up(x, output_size=(10, 9))

    assert capture(Up(), whole(1, 3, 4, 4)).workload.layers[0].output_size == (10, 9)


NO_GRAPH = "how its layers hang together is not known"
RECURRENT = {
    "lstm": (nn.LSTM(3, 4, batch_first=True), 4),
    "gru": (nn.GRU(3, 4), 3),
    "rnn": (nn.RNN(3, 4, nonlinearity="relu", bias=False), 1),
    "deep": (nn.LSTM(3, 4, num_layers=2, bidirectional=True), 4),
}


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_module_is_its_products(name, first):
    module, gates = RECURRENT[name]
    steps, images = 5, 2
    x = torch.rand(*((images, steps) if module.batch_first else (steps, images)), 3)
    ways = 1 + module.bidirectional
    state = torch.rand(module.num_layers * ways, images, 4)
    state = (state, torch.rand_like(state)) if name in ("lstm", "deep") else state

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = module

        def forward(self, x, *rest):
            return self.cell(x, *rest)[0]

        def given(self):
            return (x, state) if first else (x,)

    imported = capture(Net(), Net().given())
    layers = imported.workload.layers
    apart = () if module.batch_first else (f"{NO_GRAPH}: layer 'cell' reads its steps before its images",)
    assert imported.warnings == (STEPS,)
    assert imported.workload.notes == (*apart, STEPS)
    assert (imported.workload.graph is None) == (not module.batch_first)
    depths = [3] + [4 * ways] * (module.num_layers - 1)
    wanted = sum(ways * images * steps * gates * 4 * (features + 4) for features in depths)
    assert sum(layer.dense_macs for layer in layers) == wanted
    names = [layer.name for layer in layers]
    assert names[:2] == (["cell.l0.input", "cell.l0.recurrent"] if name == "deep" else ["cell.input", "cell.recurrent"])
    # What the last layer's states are, one step on, is what the module gives.
    with torch.no_grad():
        out = module(x, *((state,) if first else ()))[0]
    out = (out if module.batch_first else out.transpose(0, 1)).numpy()
    trace = imported.workload.trace(len(layers) - (2 if ways > 1 else 0) - 1)
    states = trace.activations[:, :, 0].transpose(0, 2, 1)
    np.testing.assert_allclose(states[:, 1:], out[:, :-1, :4], rtol=1e-5)
    assert bool(states[:, 0].any()) is first
    if ways > 1:
        back = imported.workload.trace(len(layers) - 1).activations[:, :, 0].transpose(0, 2, 1)
        np.testing.assert_allclose(back[:, :-1], out[:, 1:, 4:], rtol=1e-5)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_a_cell_is_two_products_a_call(kind, gates):
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(3, 4)

        def forward(self, x):
            state = None
            for step in range(2):
                state = self.cell(x[:, step], state)
            return state

    workload = capture(Steps(), torch.rand(2, 2, 3)).workload
    assert [layer.name for layer in workload.layers] == [
        "cell.input", "cell.recurrent", "cell_2.input", "cell_2.recurrent",
    ]  # fmt: skip
    assert sum(layer.dense_macs for layer in workload.layers) == 2 * 2 * gates * 4 * (3 + 4)
    assert workload.trace(1).activation_nonzeros == 0
    assert workload.trace(3).activation_nonzeros > 0


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_what_is_refused_of_recurrent_modules():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.lstm = nn.LSTM(3, 4, proj_size=2)
            self.gru = nn.GRU(2, 4)

        def forward(self, x):
            y, _ = self.lstm(self.first(x))
            packed = nn.utils.rnn.pack_padded_sequence(y, torch.tensor([5, 3]))
            return self.gru(packed)

    reasons = {one.operator: one.reason for one in capture(Packed(), torch.rand(5, 2, 3)).omitted}
    assert reasons["LSTM"] == "refused: an LSTM with a projection, whose input never leaves the operator"
    assert reasons["GRU"] == "refused: its sequences have lengths of their own (PackedSequence)"


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("images_first", [False, True])
def test_an_lstm_with_a_forward_of_its_own_is_the_same_products(images_first, ways):
    class Own(nn.LSTM):
        def forward(self, x):
            return super().forward(x)[0]

    plain = nn.LSTM(3, 4, num_layers=2, batch_first=images_first, bidirectional=ways > 1)
    own = Own(3, 4, num_layers=2, batch_first=images_first, bidirectional=ways > 1)
    own.load_state_dict(plain.state_dict())
    x = torch.rand(2, 5, 3)
    first, second = (capture(nn.Sequential(one), x).workload for one in (plain, own))
    assert [layer.name for layer in second.layers][:4] == ["0.input", "0.recurrent", "0_2.input", "0_2.recurrent"]
    for index, layer in enumerate(first.layers):
        one, other = first.trace(index), second.trace(index)
        assert replace(other.layer, name=layer.name) == layer
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_allclose(one.activations, other.activations, rtol=1e-5, atol=1e-7)
