"""`capture`: products that are no layers are refused by name and counted. Skipped where torch is absent."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (skips first)
from torch.nn import functional as F  # noqa: E402, N812 (its usual name)

from workloads.errors import InputError  # noqa: E402
from workloads.importers import capture  # noqa: E402


class Beside(nn.Module):
    """A linear layer, and a function of what it reads and of parameters."""

    def __init__(self, run, *inner, **parameters):
        super().__init__()
        self.fc, self.run = nn.Linear(4, 3), run
        self.inner = nn.ModuleList(inner)
        for name, shape in parameters.items():
            self.register_parameter(name, nn.Parameter(torch.rand(shape)))

    def forward(self, x):
        return self.fc(x), self.run(self, x)


class DynamicConv(nn.Conv1d):
    """Its kernels depend on what it reads."""

    def forward(self, x):
        return self._conv_forward(x, self.weight * x.mean(), self.bias)


@torch.library.custom_op("capture_test::deformable", mutates_args=())
def deformable(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x @ weight


@torch.library.custom_op("capture_test::matmul_all", mutates_args=())
def matmul_all(x: torch.Tensor) -> torch.Tensor:
    return x @ x.T


REFUSED = {
    "matmul_all": (lambda _, x: matmul_all(x), {}),
    "_trilinear": (lambda m, x: torch.bilinear(x, x, m.w, None), {"w": (2, 4, 4)}),
    "Bilinear": (lambda m, x: m.inner[0](x, x), nn.Bilinear(4, 4, 2)),
    "_cdist_forward": (lambda m, x: torch.cdist(x, m.w), {"w": (6, 4)}),
    "bmm": (lambda m, x: x.expand(2, 5, 4) @ m.w, {"w": (2, 4, 6)}),
    "mm": (lambda m, x: x + (m.w @ m.w)[:1], {"w": (4, 4)}),
    "convolution": (lambda m, x: m.inner[0](x[None]), DynamicConv(5, 2, 3)),
    "_sparse_addmm": (lambda m, x: torch.sparse.mm(m.w.to_sparse(), x), {"w": (4, 5)}),
    "addmm": (lambda _, x: torch.addmm(x[:, :1] + 0j, x + 1j, x.T + 0j), {}),
    "conv_tbc": (lambda m, x: torch.conv_tbc(x[None], m.w, m.w[0, 0]), {"w": (1, 4, 2)}),
    "linalg_inv_ex": (lambda _, x: torch.linalg.inv(x.T @ x + torch.eye(4)), {}),
    "deformable": (lambda m, x: deformable(x, m.w), {"w": (4, 2)}),
}
REASONS = {
    "matmul_all": "an operator of products that is not taken apart",
    "_trilinear": "a product of two inputs and a third tensor, which is no product of two matrices",
    "Bilinear": "a product of two inputs and a third tensor, which is no product of two matrices",
    "_cdist_forward": "distances of all pairs, whose products never leave the operator",
    "bmm": "its constant side is no matrix but a vector or a stack of matrices",
    "mm": "both sides are constants: it can be computed once, ahead of all runs",
    "convolution": "its weights are computed from the model's inputs",
    "_sparse_addmm": "a side is sparse, or of another layout of torch's; convert it with to_dense() first",
    "addmm": "its values are complex numbers",
    "conv_tbc": "an operator of products that is not taken apart",
    "linalg_inv_ex": "a factorization of a matrix, which is no product",
    "deformable": "an operator of another library, which may hold products of its weights",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_layer_is_refused_by_name_and_counted(name):
    run, more = REFUSED[name]
    model = Beside(run, **more) if isinstance(more, dict) else Beside(run, more)
    imported = capture(model, torch.rand(5, 4))
    refused = [one for one in imported.omitted if one.refused]
    assert [(one.operator, one.count, one.reason) for one in refused] == [(name, 1, f"refused: {REASONS[name]}")]
    assert imported.workload.layers[0].name == "fc"
    assert imported.workload.title.endswith(f", refused: 1 {name}")
    # What is refused is not told once more as an operator without products.
    assert len(imported.omitted) == 1


def test_a_model_of_which_all_is_refused_says_what():
    with pytest.raises(InputError) as fault:
        capture(nn.Bilinear(3, 4, 5), (torch.rand(2, 3), torch.rand(2, 4)))
    assert str(fault.value) == (
        "PyTorch model Bilinear: holds no convolution, fully connected layer or product with constant weights; 1 Bilinear "
        "(refused: a product of two inputs and a third tensor, which is no product of two matrices)"
    )


def test_products_of_nothing_are_none():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(x), F.linear(x[:0], self.fc.weight), x[:, :0] @ x[:, :0].T

    imported = capture(Net(), torch.rand(5, 4))
    assert [layer.name for layer in imported.workload.layers] == ["fc"]
    assert imported.omitted == ()


def test_weights_that_are_products_are_used_as_they_are_and_their_products_refused():
    class LowRank(nn.Linear):
        def __init__(self):
            super().__init__(4, 3)
            self.a, self.b = nn.Parameter(torch.rand(3, 1)), nn.Parameter(torch.tensor([[0.0, 1, 0, 2]]))

        def forward(self, x):
            return F.linear(x, self.a @ self.b)

    imported = capture(nn.Sequential(LowRank()), torch.rand(2, 5, 4))
    trace = imported.workload.trace(0)
    assert (trace.layer.name, trace.layer.batch, trace.layer.dense_macs) == ("0", 2, 120)
    assert trace.weight_nonzeros == 6
    assert [(one.operator, one.count, one.reason) for one in imported.omitted] == [
        ("mm", 1, f"refused: {REASONS['mm']}")
    ]
    assert [one.name for one in imported.workload.graph.layers] == ["0"]


def test_a_layer_that_is_given_constants_is_a_layer():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("places", torch.rand(6, 4))
            self.bias, self.fc = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(x).sum() + self.bias(self.places)

    imported = capture(Table(), torch.rand(5, 4))
    assert [layer.name for layer in imported.workload.layers] == ["fc", "bias"]
    assert imported.omitted == ()


def refused(model, *inputs):
    with pytest.raises(InputError) as fault:
        capture(model, inputs)
    return str(fault.value)


def test_models_whose_products_cannot_be_seen_are_refused():
    def cond(_, x):
        return torch.cond(x.sum() > 0, lambda y: y @ y.T, lambda y: y, (x,))

    assert refused(Beside(cond), torch.rand(4, 4)) == (
        "capture: the model runs torch's 'cond', inside which no products are seen"
    )
    with torch.device("meta"):
        absent = nn.Sequential(nn.Linear(4, 3))
    assert refused(absent, torch.rand(2, 4)) == (
        "capture: '0.weight' is on the device 'meta': it has a shape, but no values"
    )


@pytest.mark.filterwarnings("ignore")
def test_convolutions_that_torch_runs_without_dispatching_them_are_refused():
    fast = torch.jit.optimize_for_inference(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3)).eval()))
    assert refused(fast, torch.rand(2, 3, 5, 5)) == (
        "capture: 'RecursiveScriptModule' holds convolutions that optimize_for_inference has made, which cannot be seen; "
        "capture the model that it was made of"
    )
