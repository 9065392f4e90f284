"""Weights files against a network's shapes."""

import sys

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model
from workloads.network import load_network

RANDOM = np.random.default_rng(9)
TOML = """
name = "tiny"
[[layers]]
name = "stem.conv"
in_channels = 3
out_channels = 4
input_size = [8, 8]
kernel_size = 3
[[layers]]
name = "stem.down"
in_channels = 4
out_channels = 4
input_size = [6, 6]
kernel_size = 1
[[layers]]
name = "fc"
type = "fc"
in_channels = 16
out_channels = 5
"""


def sparse(*shape):
    return (RANDOM.standard_normal(shape) * (RANDOM.random(shape) < 0.3)).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    (tmp_path / "tiny.toml").write_text(TOML)
    return str(tmp_path / "tiny.toml")


def fault(path, network):
    with pytest.raises(InputError) as caught:
        import_model(path, ImportOptions(base=load_workload(network) if network else None))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path.parent}/")


def test_names_first_then_shapes(tmp_path, network):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    weights = {
        "module.stem.conv.weight": sparse(4, 3, 3, 3), "module.stem.conv.bias": sparse(4), "decoy.weight": sparse(4, 3, 3, 3),
        "module.stem.down.0.weight": sparse(4, 4, 1, 1), "head.weight": sparse(5, 16),
    }  # fmt: skip
    save_file(weights, tmp_path / "w.safetensors")
    imported = import_model(tmp_path / "w.safetensors", ImportOptions(base=load_workload(network)))
    for index, key in enumerate(("module.stem.conv.weight", "module.stem.down.0.weight", "head.weight")):
        trace = imported.workload.trace(index)
        np.testing.assert_array_equal(trace.weights.reshape(weights[key].shape), weights[key])
    assert imported.warnings == (
        "activations are those of 'tiny'", "1 of 3 layers were found by shape and order, not by name",
    )  # fmt: skip
    assert load_workload(f"{network}@{tmp_path}/w.safetensors").trace(0).digest == imported.workload.trace(0).digest


def test_numbered_names_are_in_the_order_of_their_numbers(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    layers = load_network("vgg16").layers[:3]
    weights = {
        f"features.{number}.weight": sparse(*layer.weight_shape)
        for number, layer in zip((0, 2, 10), layers, strict=True)
    }
    rest = {
        f"z{i}.weight": np.zeros(layer.weight_shape[:2] if layer.fully_connected else layer.weight_shape, np.int8)
        for i, layer in enumerate(load_network("vgg16").layers[3:])
    }
    save_file(weights | rest, tmp_path / "w.safetensors")
    workload = load_workload(f"vgg16@{tmp_path}/w.safetensors")
    for index, held in enumerate(weights.values()):
        np.testing.assert_array_equal(workload.trace(index).weights, held)


def test_files_that_cannot_be_used(tmp_path, network):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path = tmp_path / "w.safetensors"
    assert fault(path, network) == "w.safetensors: no such file"
    assert (
        fault(path, "")
        == "w.safetensors: holds weights alone: say whose with --network NAME, or run NAME@w.safetensors"
    )
    save_file({"stem.conv.weight": sparse(4, 3, 3, 3)}, path)
    assert fault(path, network) == "w.safetensors: holds no further weights of shape 4x4x1x1 for layer 'stem.down'"
    path.write_bytes(path.read_bytes()[:100])
    assert fault(path, network).startswith("w.safetensors: not a safetensors file, or truncated")
    assert fault(path, "resnet51").startswith("unknown workload 'resnet51': did you mean 'resnet50'?")


def test_a_missing_library_says_what_to_install(tmp_path, network, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "w.pth").write_bytes(b"")
    assert (
        fault(tmp_path / "w.pth", network)
        == "PyTorch files need the Python package 'torch': pip install 'prunesim[torch]'"
    )


def test_state_dicts_of_torch_with_masks(tmp_path, network):
    torch = pytest.importorskip("torch")
    mask = (torch.rand(4, 3, 3, 3) < 0.3).float()
    weights = {
        "stem.conv.weight_orig": torch.rand(4, 3, 3, 3) + 1, "stem.conv.weight_mask": mask,
        "stem.down.weight": torch.rand(4, 4, 1, 1).bfloat16(), "fc.weight": torch.rand(5, 16), "fc.bias": torch.rand(5),
    }  # fmt: skip
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "w.pth")
    trace = load_workload(f"{network}@{tmp_path}/w.pth").trace(0)
    np.testing.assert_array_equal(trace.weight_mask, mask.numpy() != 0)
    torch.save([1, 2], tmp_path / "w.pt")
    assert fault(tmp_path / "w.pt", network) == "w.pt: holds no state dict"
    (tmp_path / "w.pt").write_bytes(b"nothing")
    assert fault(tmp_path / "w.pt", network).startswith("w.pt: not a PyTorch state dict that can be loaded safely: ")


def test_products_of_two_activations_take_no_weights_of_a_file(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    scores = "in_channels = 4\nout_channels = 4\ninput_size = [1, 6]\nkernel_size = 1\nmoving_weights = true\n"
    (tmp_path / "tiny.toml").write_text(TOML + f'[[layers]]\nname = "scores"\n{scores}')
    held = {"stem.conv": sparse(4, 3, 3, 3), "stem.down": sparse(4, 4, 1, 1), "fc": sparse(5, 16), "x": sparse(4, 4)}
    numpy.save_file({f"{name}.weight": values for name, values in held.items()}, tmp_path / "w.safetensors")
    workload = load_workload(f"{tmp_path / 'tiny.toml'}@{tmp_path / 'w.safetensors'}")
    assert workload.trace(1).weight_nonzeros == np.count_nonzero(held["stem.down"])
    assert workload.layers[3].moving_weights
    assert workload.trace(3).weight_density == 1.0
