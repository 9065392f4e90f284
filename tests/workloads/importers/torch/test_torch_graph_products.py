"""Graphs of PyTorch models with products of functions, transposed convolutions and recurrent modules."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (skips first)

from workloads.importers import capture  # noqa: E402

NO_GRAPH = "how its layers hang together is not known"


def graph(model, *inputs, **options):
    workload = capture(model, inputs, **options).workload
    assert workload.graph is not None, workload.notes
    workload.graph.require_layers([layer.name for layer in workload.layers])
    return workload.graph


def reads(found, name):
    return [found.sources(one) for one in found.by_name[name].inputs]


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x):
        q, k, v = (one(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for one in (self.q, self.k, self.v))
        scores = torch.softmax(q @ k.transpose(-1, -2) * 0.5, -1)
        return self.out((scores @ v).transpose(1, 2).flatten(2)) + x


@pytest.mark.parametrize("images", [1, 2])
def test_attention_written_by_hand(images):
    found = graph(nn.Sequential(Attention(8, 2), nn.Linear(8, 3)), torch.rand(images, 5, 8))
    names = ["0.q", "0.k", "0.v", "0.product", "0.product_2", "0.out", "1"]
    assert [one.name for one in found.layers] == names
    assert reads(found, "0.product") == [("0.q",), ("0.k",)]
    assert reads(found, "0.product_2") == [("0.product",), ("0.v",)]
    assert reads(found, "0.out") == [("0.product_2",)]
    assert found.sources("1") == ("0.out", "input")
    assert [found.by_name[name].shape for name in ("0.product", "0.product_2")] == [(10, 1, 5), (8, 1, 5)]
    assert [one.kind for one in found.nodes].count("add") == 1
    # Whatever holds all heads of one image holds all of its values.
    assert {one.values for one in found.nodes if found.sources(one.name) == ("0.q",)} == {40}


def test_an_encoder_layer():
    """torch's own: its projections are functions, of one matrix that makes queries, keys and values."""
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    found = graph(layer, torch.rand(2, 5, 8))
    names = [one.name for one in found.layers]
    assert names[-2:] == ["linear1", "linear2"]
    project, scores, context, out = names[:-2]
    assert reads(found, scores) == [(project,), (project,)]
    assert reads(found, context) == [(scores,), (project,)]
    assert reads(found, out) == [(context,)]
    assert set(found.sources("linear1")) == {out, "input"}
    assert set(found.sources(found.nodes[-1].name)) == {out, "input", "linear2"}


def test_a_product_with_what_the_inputs_do_not_make():
    class Net(nn.Module):
        def forward(self, x):
            return x @ torch.ones(4, 5)

    workload = capture(Net(), torch.rand(3, 4)).workload
    assert workload.graph is None
    assert workload.notes[0] == f"{NO_GRAPH}: layer 'product' reads what no operator makes of the model's inputs"


def test_what_an_operator_adds_to_a_product_is_a_sum():
    class Net(nn.Module):
        def forward(self, x, y):
            return torch.baddbmm(x, x, y)

    found = graph(Net(), torch.rand(2, 4, 4), torch.rand(2, 4, 4))
    assert [(one.name, one.kind) for one in found.nodes[-2:]] == [("product", "layer"), ("product_add", "add")]
    assert found.sources("product_add") == ("product", "input") or found.sources("product_add") == ("product", "input1")


@pytest.mark.parametrize("form", ["stretched", "phases"])
def test_a_transposed_convolution(form):
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ConvTranspose2d(4, 3, 2, stride=2), nn.Conv2d(3, 2, 1))
    found = graph(model, torch.rand(2, 2, 5, 6), transposed=form)
    parts = ("1",) if form == "stretched" else tuple(f"1.phase{i}_{j}" for i in (0, 1) for j in (0, 1))
    assert [one.name for one in found.layers] == ["0", *parts, "2"]
    assert all(found.sources(name) == ("0",) for name in parts)
    assert found.by_name["2"].inputs == ("1",)
    assert found.by_name["1"].shape == (3, 10, 12)


class Recurrent(nn.Module):
    def __init__(self, cell, last):
        super().__init__()
        self.embed, self.cell = nn.Linear(3, 4), cell
        self.score = nn.Linear(cell.hidden_size * (1 + cell.bidirectional), 2)
        self.last = last

    def forward(self, x):
        states, last = self.cell(self.embed(x))
        if self.last:
            return self.score((last[0] if isinstance(last, tuple) else last)[-1])
        return self.score(states)


@pytest.mark.parametrize("last", [False, True])
def test_a_recurrent_module(last):
    found = graph(Recurrent(nn.LSTM(4, 5, batch_first=True), last), torch.rand(2, 7, 3))
    assert [one.name for one in found.layers] == ["embed", "cell.input", "cell.recurrent", "score"]
    assert [found.sources(name) for name in ("cell.input", "cell.recurrent")] == [("embed",), ("cell.input",)]
    assert found.sources("score") == ("cell.input", "cell.recurrent")
    assert found.by_name["cell.recurrent"].shape == (20, 1, 7)


def test_several_directions_and_layers():
    cell = nn.GRU(4, 5, num_layers=2, bidirectional=True, batch_first=True)
    found = graph(Recurrent(cell, last=False), torch.rand(2, 7, 3))
    first = [f"cell.l0{way}.{part}" for way in ("", "_reverse") for part in ("input", "recurrent")]
    second = [name.replace("l0", "l1") for name in first]
    assert [one.name for one in found.layers] == ["embed", *first, *second, "score"]
    assert all(found.sources(name) == ("embed",) for name in first[::2])
    assert all(found.sources(name) == tuple(first) for name in second[::2])
    assert found.sources("score") == tuple(second)


def test_cells_that_are_called_step_by_step():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.cell = nn.Linear(3, 4), nn.GRUCell(3, 4)

        def forward(self, x):
            state = self.first(x[:, 0])
            for step in (1, 2):
                state = self.cell(x[:, step], state)
            return state

    found = graph(Net(), torch.rand(2, 3, 3))
    names = ["first", *(f"cell{number}.{part}" for number in ("", "_2") for part in ("input", "recurrent"))]
    assert [one.name for one in found.layers] == names
    assert found.sources("cell.recurrent") == ("cell.input", "first")
    assert found.sources("cell_2.recurrent") == ("cell_2.input", "cell.input", "cell.recurrent")


@pytest.mark.parametrize(
    ("cell", "shape", "reason"),
    [
        (nn.LSTM(3, 4), (5, 2, 3), "layer '0' reads its steps before its images"),
        (nn.LSTM(3, 4, batch_first=True), (5, 3), "layer '0' reads a sequence without a batch axis"),
        (nn.GRUCell(3, 4), (3,), "layer '0' reads a sequence without a batch axis"),
    ],
)
def test_what_no_graph_says_is_told(cell, shape, reason):
    workload = capture(nn.Sequential(cell), torch.rand(*shape)).workload
    assert workload.graph is None
    assert workload.notes[0] == f"{NO_GRAPH}: {reason}"
