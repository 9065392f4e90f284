"""`capture`: a PyTorch model's layers and traces. Skipped where torch is absent."""

import gc
import tempfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (skips first)
from torch.nn.utils import prune  # noqa: E402

from dataflows.truth.convolution import reference_convolution  # noqa: E402
from workloads.arrays.trace_file import load_traces, save_traces  # noqa: E402
from workloads.errors import InputError  # noqa: E402
from workloads.importers import capture  # noqa: E402

torch.manual_seed(5)


def whole(*shape):
    return torch.randint(-3, 4, shape).float()


def make_whole(module):
    module.weight.data = whole(*module.weight.shape)
    if module.bias is not None:
        module.bias.data.zero_()
    return module


CASES = {
    "plain": (nn.Conv2d(4, 6, 3, padding=1), (2, 4, 7, 8)),
    "grouped": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), (1, 4, 9, 8)),
    "same": (nn.Conv2d(3, 5, (2, 4), padding="same"), (1, 3, 6, 7)),
    "valid": (nn.Conv2d(3, 5, 3, padding="valid"), (1, 3, 6, 7)),
    "reflect": (nn.Conv2d(3, 5, 3, padding=(2, 1), padding_mode="reflect"), (1, 3, 6, 7)),
    "circular": (nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"), (1, 3, 6, 7)),
    "replicate": (nn.Conv1d(3, 5, 3, padding=1, padding_mode="replicate"), (1, 3, 9)),
    "row": (nn.Conv1d(3, 5, 3, stride=2, padding=1), (2, 3, 9)),
    "video": (nn.Conv3d(2, 4, (3, 2, 3), padding=(1, 0, 1)), (1, 2, 4, 5, 6)),
    "no_batch": (nn.Conv2d(3, 5, 3), (3, 6, 7)),
    "linear": (nn.Linear(6, 4), (3, 6)),
    "tokens": (nn.Linear(6, 4), (2, 5, 6)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_what_torch_computes(name):
    module, shape = CASES[name]
    make_whole(module)
    x = whole(*shape)
    trace = capture(nn.Sequential(module), x).workload.trace(0)
    outputs = reference_convolution(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))
    wanted = module(x).detach().numpy()
    if isinstance(module, nn.Linear):
        outputs = outputs.reshape(trace.layer.batch, 4, -1).transpose(0, 2, 1)
    np.testing.assert_array_equal(outputs.reshape(wanted.shape), wanted)


def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 5)
    )


def test_masks_of_torch_prune_are_respected(tmp_path):
    model = small()
    prune.l1_unstructured(model[0], "weight", amount=0.75)
    prune.ln_structured(model[3], "weight", amount=2, n=2, dim=0)
    imported = capture(model, torch.rand(2, 3, 8, 8))
    traces = [imported.workload.trace(i) for i in range(3)]
    assert traces[0].weight_nonzeros == 54
    assert traces[1].weight_mask.reshape(4, -1).any(axis=1).sum() == 2
    assert [trace.layer.name for trace in traces] == ["0", "3", "5"]
    assert traces[0].output_density == traces[1].activation_density < 1
    assert [(one.operator, one.count) for one in imported.omitted] == [("BatchNorm2d", 1), ("ReLU", 1), ("Flatten", 1)]
    save_traces(tmp_path / "t.npz", imported.workload)
    assert load_traces(tmp_path / "t.npz").trace(1).digest == traces[1].digest


def test_the_model_is_left_as_it_was():
    model = small()
    model[1].eval()
    capture(model, torch.rand(2, 3, 8, 8))
    assert model.training
    assert not model[1].training
    assert not any(module._forward_hooks for module in model.modules())


def test_a_module_called_twice_is_two_layers():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x, y):
            return self.conv(self.conv(x)) + y

    layers = capture(Twice(), (torch.rand(1, 3, 4, 4), torch.rand(1))).workload.layers
    assert [layer.name for layer in layers] == ["conv", "conv_2"]


def test_in_place_operations_do_not_change_what_was_seen():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
    x = torch.tensor([[[[1.0, -1.0]]]])
    assert capture(model, x).workload.trace(0).activations.ravel().tolist() == [1, 0]


def test_a_convolution_that_is_called_as_a_function_is_a_layer():
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.head = nn.Sequential()
            self.head.register_buffer("kernels", whole(2, 4, 3, 3))

        def forward(self, x):
            return nn.functional.conv2d(self.conv(x), self.head.kernels, stride=2)

    model = Called()
    imported = capture(model, torch.rand(1, 3, 8, 8))
    assert [layer.name for layer in imported.workload.layers] == ["conv", "convolution"]
    assert imported.omitted == ()
    np.testing.assert_array_equal(imported.workload.trace(1).weights, model.head.kernels.numpy())
    with pytest.raises(InputError, match="holds no convolution"):
        capture(nn.ReLU(), torch.rand(3))


def test_what_is_given_by_name_is_read():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.i, self.cell = nn.Linear(4, 3), nn.GRUCell(3, 2)

        def forward(self, x):
            return self.cell(input=self.i(input=x), hx=x[:, :2])

    x = whole(5, 4)
    workload = capture(Named(), x).workload
    assert [layer.name for layer in workload.layers] == ["i", "cell.input", "cell.recurrent"]
    np.testing.assert_array_equal(workload.trace(0).activations[:, :, 0, 0], x.numpy())
    np.testing.assert_array_equal(workload.trace(2).activations[:, :, 0, 0], x[:, :2].numpy())


def test_names_that_modules_have_are_not_taken_by_calls_of_others():
    class Three(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.a_2 = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.a_2(self.a(self.a(x)))

    workload = capture(Three(), whole(2, 4)).workload
    assert [layer.name for layer in workload.layers] == ["a", "a_3", "a_2"]
    assert [workload.graph.sources(name) for name in ("a_3", "a_2")] == [("a",), ("a_3",)]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).amax((-2, -1)))


def test_a_list_of_inputs_is_several_inputs(tmp_path):
    model, inputs = Small(), [whole(2, 2, 6, 6) for _ in range(3)]
    many = capture(model, inputs).workload
    assert (many.inputs, many.layers) == (3, capture(model, inputs[0]).workload.layers)
    save_traces(tmp_path / "t.npz", many)
    save_traces(tmp_path / "again.npz", capture(model, inputs).workload)
    assert (tmp_path / "t.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    for number, one in enumerate(inputs):
        alone = capture(model, one).workload
        for index in range(2):
            assert many.trace(index, number).digest == alone.trace(index).digest
            assert load_traces(tmp_path / "t.npz").trace(index, number).digest == alone.trace(index).digest


def test_single_images_without_a_batch_axis_are_inputs_of_one_image():
    images = [whole(2, 6, 6) for _ in range(3)]
    workload = capture(nn.Conv2d(2, 4, 3), images).workload
    assert (workload.inputs, workload.layers[0].batch) == (3, 1)
    np.testing.assert_array_equal(workload.trace(0, 2).activations[0], images[2].numpy())


def test_inputs_that_lead_to_other_shapes_are_refused():
    model = nn.Conv2d(2, 4, 3)
    for inputs, message in (
        ([], "capture: the list of inputs is empty"),
        (
            [whole(1, 2, 6, 6), whole(1, 2, 6, 7)],
            "capture: input 1 has shape (1, 2, 6, 7) at layer 'Conv2d', the first (1, 2, 6, 6)",
        ),
    ):
        with pytest.raises(InputError) as fault:
            capture(model, inputs)
        assert str(fault.value) == message


def test_inputs_that_lead_to_other_layers_are_refused():
    class Either(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            return self.a(x) if x.sum() > 0 else self.b(x)

    with pytest.raises(InputError) as fault:
        capture(Either(), [torch.ones(1, 3), -torch.ones(1, 3)])
    assert str(fault.value) == "capture: input 1 runs through other layers than the first"


def test_inputs_that_meet_other_weights_are_refused():
    class Counting(nn.Linear):
        runs = 0

        def forward(self, x):
            self.runs += 1
            return nn.functional.linear(x, self.weight * self.runs)

    with pytest.raises(InputError) as fault:
        capture(Counting(3, 2), [torch.ones(1, 3), torch.ones(1, 3)])
    assert str(fault.value) == "capture: input 1 meets other weights at layer 'Counting' than the first"


def test_activations_of_several_inputs_are_on_disk_for_as_long_as_the_workload_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    workload = capture(Small(), [whole(2, 2, 6, 6) for _ in range(3)]).workload
    (folder,) = tmp_path.iterdir()
    assert sorted(one.name for one in folder.iterdir()) == ["0_read", "1_read"]
    assert (folder / "0_read").stat().st_size == 3 * 2 * 2 * 6 * 6 * 4
    del workload
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(InputError) as fault:
        capture(Small(), [whole(2, 2, 6, 6) for _ in range(3)])
    assert str(fault.value) == "capture: no temporary folder can be made: No such file or directory"
