"""Graphs of PyTorch models as they are seen while the models run. Skipped where torch is absent."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (skips first)
from torch.nn import functional as F  # noqa: E402, N812 (its usual name)

from tests.workloads.importers.torch.torch_zoo import Model  # noqa: E402
from workloads.importers import capture  # noqa: E402
from workloads.network import load_network  # noqa: E402
from workloads.pruning import parse  # noqa: E402

UNKNOWN = "how its layers hang together is not known: "


def rows(model, *inputs):
    workload = capture(model, inputs).workload
    assert workload.notes == ()
    workload.graph.require_layers([layer.name for layer in workload.layers])
    return [(one.name, one.kind, one.inputs, one.shape) for one in workload.graph.nodes]


def image(*shape):
    return torch.randn(shape or (2, 3, 8, 8))


def test_a_residual_block_with_a_join_and_a_classifier():
    """Modules give their names, functions and methods a kind and a number; in place or not makes no difference."""

    def run(m, x):
        y = m.relu(m.norm(m.first(x)))
        y = m.relu(m.second(y) + y)
        y = torch.cat([y, m.third(x).mul_(2)], 1)
        return m.fc(F.adaptive_avg_pool2d(F.max_pool2d(y, 2), 1).flatten(1))

    model = Model(
        run, first=nn.Conv2d(3, 4, 3, padding=1), norm=nn.BatchNorm2d(4), relu=nn.ReLU(inplace=True),
        second=nn.Conv2d(4, 4, 1), third=nn.Conv2d(3, 2, 1), fc=nn.Linear(6, 5),
    )  # fmt: skip
    assert rows(model, image()) == [
        ("input", "input", (), (3, 8, 8)),
        ("first", "layer", ("input",), (4, 8, 8)),
        ("norm", "normalise", ("first",), (4, 8, 8)),
        ("relu", "activation", ("norm",), (4, 8, 8)),
        ("second", "layer", ("relu",), (4, 8, 8)),
        ("add1", "add", ("second", "relu"), (4, 8, 8)),
        ("relu_2", "activation", ("add1",), (4, 8, 8)),
        ("third", "layer", ("input",), (2, 8, 8)),
        ("normalise1", "normalise", ("third",), (2, 8, 8)),
        ("concat1", "concat", ("relu_2", "normalise1"), (6, 8, 8)),
        ("pool1", "pool", ("concat1",), (6, 4, 4)),
        ("pool2", "pool", ("pool1",), (6, 1, 1)),
        ("reshape1", "reshape", ("pool2",), (6,)),
        ("fc", "layer", ("reshape1",), (5,)),
    ]


@pytest.mark.parametrize(
    ("run", "wanted"),
    [
        (lambda x: F.interpolate(x, scale_factor=2), [("upsample", (4, 16, 16))]),
        (lambda x: F.interpolate(x, size=(4, 4), mode="bilinear"), [("pool", (4, 4, 4))]),
        (lambda x: x.mean((2, 3)), [("pool", (4,))]),
        (lambda x: x.mean((2, 3), keepdim=True), [("pool", (4, 1, 1))]),
        (lambda x: x.mean(1), [("other", (8, 1, 8))]),
        (lambda x: x * torch.sigmoid(x), [("activation", (4, 8, 8)), ("add", (4, 8, 8))]),
        (lambda x: x * x.amax((2, 3), keepdim=True), [("pool", (4, 1, 1)), ("add", (4, 8, 8))]),
        (lambda x: x / 2 + 1, [("normalise", (4, 8, 8)), ("normalise", (4, 8, 8))]),
        (lambda x: F.dropout(x.clone(), training=False).contiguous(), []),
        (lambda x: x + torch.zeros_like(x), [("normalise", (4, 8, 8))]),
        (lambda x: F.softmax(x, 1), [("other", (4, 8, 8))]),
        (lambda x: F.pad(x, (1, 1, 2, 2)), [("reshape", (4, 12, 10))]),
        (lambda x: x[:, 1:3], [("reshape", (2, 8, 8))]),
        (lambda x: torch.add(*x.chunk(2, 1)),
         [("reshape", (2, 8, 8)), ("reshape", (2, 8, 8)), ("add", (2, 8, 8))]),
        (lambda x: F.pixel_shuffle(x, 2), [("reshape", (1, 16, 16))]),
        (lambda x: x.permute(0, 2, 3, 1), [("reshape", (8, 8, 4))]),
        (lambda x: torch.cat([x, x], 2), [("other", (4, 16, 8))]),
        (lambda x: F.conv2d(x, torch.ones(3, 4, 1, 1)), [("layer", (3, 8, 8))]),
        (lambda x: torch.cdist(x, x), [("other", (4, 8, 8))]),
    ],
)  # fmt: skip
def test_what_stands_between_layers(run, wanted):
    model = Model(lambda m, x: run(m.first(x)), first=nn.Conv2d(3, 4, 1))
    assert [(kind, shape) for _, kind, _, shape in rows(model, image())[2:]] == wanted


def test_several_inputs_results_and_a_module_that_is_called_twice():
    model = Model(lambda m, x, y: (m.conv(m.conv(x)) + y, y), conv=nn.Conv2d(3, 3, 1))
    assert rows(model, image(), image()) == [
        ("input", "input", (), (3, 8, 8)),
        ("input_2", "input", (), (3, 8, 8)),
        ("conv", "layer", ("input",), (3, 8, 8)),
        ("conv_2", "layer", ("conv",), (3, 8, 8)),
        ("add1", "add", ("conv_2", "input_2"), (3, 8, 8)),
        ("input_2_result", "reshape", ("input_2",), (3, 8, 8)),
    ]


def test_products_over_positions_keep_their_channels_last():
    model = Model(
        lambda m, x: m.norm(m.down(m.act(m.up(x))) + m.up2(x)).flatten(1),
        up=nn.Linear(6, 8), act=nn.GELU(), down=nn.Linear(8, 4), up2=nn.Linear(6, 4), norm=nn.LayerNorm(4),
    )  # fmt: skip
    assert rows(model, image(2, 5, 6)) == [
        ("input", "input", (), (5, 1, 6)),
        ("up_input", "reshape", ("input",), (6, 1, 5)),
        ("up", "layer", ("up_input",), (8, 1, 5)),
        ("act", "activation", ("up",), (8, 1, 5)),
        ("down", "layer", ("act",), (4, 1, 5)),
        ("up2_input", "reshape", ("input",), (6, 1, 5)),
        ("up2", "layer", ("up2_input",), (4, 1, 5)),
        ("add1", "add", ("down", "up2"), (4, 1, 5)),
        ("norm", "other", ("add1",), (4, 1, 5)),
        ("reshape_turned", "reshape", ("norm",), (1, 5, 4)),
        ("reshape1", "reshape", ("reshape_turned",), (20,)),
    ]


def test_rows_and_repeated_borders():
    model = nn.Sequential(nn.Conv1d(3, 4, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.Conv1d(4, 2, 1))
    assert rows(model, image(2, 3, 9)) == [
        ("input", "input", (), (3, 1, 9)),
        ("0_input", "reshape", ("input",), (3, 1, 11)),
        ("0", "layer", ("0_input",), (4, 1, 9)),
        ("1", "activation", ("0",), (4, 1, 9)),
        ("2", "layer", ("1",), (2, 1, 9)),
    ]


def write_part(x):
    x[:, :2] = 0
    return x


def write_new(x):
    made = torch.zeros(x.shape)
    made[:, :2] = x[:, :2]
    return made


def write_flat(x):
    flat = x.flatten(1)
    x.relu_()
    return flat


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (write_part, "fill_ writes into a part of a tensor, or into one that is in use in another shape"),
        (write_new, "copy_ writes into a tensor that is not made of the model's inputs"),
        (write_flat, "relu_ writes into a part of a tensor, or into one that is in use in another shape"),
        (lambda x: x * x.max().item(), "a value of a tensor is taken out of it as a number"),
    ],
)
def test_what_cannot_be_followed_leaves_no_graph_and_a_note(run, reason):
    model = Model(
        lambda m, x: m.last(run(m.first(x)).reshape(2, 4, 8, 8)), first=nn.Conv2d(3, 4, 1), last=nn.Conv2d(4, 5, 1)
    )
    workload = capture(model, image()).workload
    assert workload.graph is None
    assert workload.notes == (UNKNOWN + reason,)
    assert [layer.name for layer in workload.layers] == ["first", "last"]


def test_a_layer_that_reads_no_input_and_an_image_without_a_batch_leave_no_graph():
    alone = Model(lambda m, x: m.conv(x) + m.conv(torch.ones(2, 3, 8, 8)), conv=nn.Conv2d(3, 3, 1))
    (note,) = capture(alone, image()).workload.notes
    assert note == UNKNOWN + "layer 'conv_2' reads what no operator makes of the model's inputs"
    (note,) = capture(nn.Sequential(nn.Conv2d(3, 3, 1)), image(3, 8, 8)).workload.notes
    assert note == UNKNOWN + "layer '0' reads an image without a batch axis"


class Adapted(nn.Conv2d):
    def __init__(self, channels, filters):
        super().__init__(channels, filters, 1)
        self.down, self.up = nn.Conv2d(channels, 1, 1), nn.Conv2d(1, filters, 1)

    def forward(self, x):
        return super().forward(x) + self.up(self.down(x))


class Masked(nn.Linear):
    def forward(self, x):
        return F.linear(torch.round(x), self.weight.abs(), self.bias)


def test_a_layer_with_a_forward_of_its_own_is_one_node_or_all_that_it_runs():
    model = Model(lambda m, x: m.last(m.conv(x).flatten(2)), conv=Adapted(3, 4), last=Masked(64, 5))
    found = rows(model, image())
    assert [(name, kind) for name, kind, _, _ in found] == [
        ("input", "input"), ("conv", "layer"), ("conv.down", "layer"), ("conv.up", "layer"), ("add1", "add"),
        ("reshape1", "reshape"), ("last_input", "reshape"), ("last", "layer"),
    ]  # fmt: skip
    assert [inputs for _, _, inputs, _ in found[1:5]] == [("input",), ("input",), ("conv.down",), ("conv", "conv.up")]


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def test_resnet_18_hangs_together_as_the_built_in_one_and_is_pruned_along_its_sums():
    torch.manual_seed(1)
    blocks = []
    for stage in range(4):
        channels = 64 << stage
        blocks += [Block(channels // (2 if stage else 1), channels, 2 if stage else 1), Block(channels, channels, 1)]
    model = nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )  # fmt: skip
    workload = capture(model, image(1, 3, 224, 224)).workload
    ours = load_network("resnet18").graph

    def skeleton(graph):
        kept = [one for one in graph.nodes if one.kind not in ("activation", "normalise")]
        numbers = {one.name: place for place, one in enumerate(kept)}

        def read(name):
            return numbers[name] if name in numbers else read(graph.by_name[name].inputs[0])

        return [(one.kind, sorted(map(read, one.inputs)), one.shape) for one in kept]

    assert skeleton(workload.graph) == skeleton(ours)
    pruned = workload.prune(parse("filter:density=0.5"))
    assert pruned.notes == workload.notes == ()
    assert skeleton(pruned.graph)[-1] == ("layer", [len(skeleton(ours)) - 2], (500,))
