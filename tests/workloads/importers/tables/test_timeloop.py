"""Timeloop problem files."""

import sys

import pytest

pytest.importorskip("yaml")
from workloads.errors import InputError
from workloads.importers import import_model

CONV = """
problem:
  shape: cnn-layer
  instance: {R: 3, S: 2, P: 7, Q: 5, C: 4, K: 6, N: 2, Wstride: 2, Hdilation: 3}
"""


def read(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return import_model(path)


def fault(tmp_path, text):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_a_convolution(tmp_path):
    (layer,) = read(tmp_path, CONV).workload.layers
    assert layer.output_shape == (2, 6, 5, 7)
    assert (layer.kernel_size, layer.stride, layer.dilation) == ((2, 3), (1, 2), (3, 1))
    assert layer.input_shape == (2, 4, 4 + 3 + 1, 6 * 2 + 3)
    assert layer.dense_macs == 3 * 2 * 7 * 5 * 4 * 6 * 2


def test_projections_may_pair_p_with_the_height(tmp_path):
    shape = """
problem:
  shape:
    data_spaces:
      - {name: Inputs, projection: [[[N]], [[C]], [[R, Hdilation], [P, Hstride]], [[S, Wdilation], [Q, Wstride]]]}
  instance: {R: 3, S: 2, P: 7, Q: 5, C: 4, M: 6, HStride: 2}
"""
    (layer,) = read(tmp_path, shape).workload.layers
    assert layer.output_shape == (1, 6, 7, 5)
    assert (layer.kernel_size, layer.stride) == ((3, 2), (2, 1))


def test_old_files_have_their_sizes_in_the_problem(tmp_path):
    text = "problem: {Q: 56, P: 56, S: 3, R: 3, Hstride: 1, K: 256, Wstride: 1, C: 256, N: 1}"
    assert read(tmp_path, text).workload.layers[0].dense_macs == 56 * 56 * 9 * 256 * 256


def test_groups(tmp_path):
    text = "problem: {instance: {Q: 5, P: 5, S: 3, R: 3, K: 2, C: 1, G: 8}}"
    (layer,) = read(tmp_path, text).workload.layers
    assert (layer.groups, layer.in_channels, layer.out_channels) == (8, 8, 16)


def test_a_matrix_product_with_densities(tmp_path):
    text = """
problem:
  version: 0.4
  instance:
    {M: 64, N: 10, K: 32, densities: {A: {density: 0.5, distribution: fixed_structured}, B: 0.25, Z: 0.75}}
"""
    imported = read(tmp_path, text)
    trace = imported.workload.trace(0)
    assert (trace.layer.weight_shape, trace.layer.input_shape) == ((64, 32, 1, 1), (1, 32, 1, 10))
    assert (trace.weight_density, trace.activation_density, trace.output_density) == (0.5, 0.25, 0.75)
    assert imported.warnings == (
        "densities.A: distribution 'fixed_structured' is drawn uniformly with the same density",
    )


def test_named_and_common_densities(tmp_path):
    trace = read(tmp_path, CONV + "  densities: {Weights: 0.5, Inputs: {density: 0.25}}\n").workload.trace(0)
    assert (trace.weight_density, trace.activation_density, trace.output_density) == (0.5, 0.25, 1.0)
    trace = read(tmp_path, CONV.replace("N: 2", "N: 2, commonDensity: 0.5")).workload.trace(0)
    assert (trace.weight_density, trace.activation_density) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("problem: {instance: {M: 3}}", "has neither the dimensions R S P Q C of a convolution nor M N K of a matrix product"),
        ("problem: 3", "not a Timeloop problem: it has no 'problem'"),
        (CONV.replace("P: 7", "P: 0"), "size P = 0, must be a whole number of at least 1"),
        (CONV + "  densities: {Weights: 2}", "densities.Weights = 2, must be a number between 0 and 1"),
        (CONV + "  densities: {Weights: {distribution: banded}}", "densities.Weights: distribution 'banded' without a density cannot be drawn"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path, text, wanted):
    assert fault(tmp_path, text) == f"p.yaml: {wanted}"


def test_templates_and_missing_files(tmp_path):
    assert fault(tmp_path, "{{include_text('a.yaml')}}\nproblem: [").startswith(
        "p.yaml: not YAML (templates must be rendered first): "
    )
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        import_model(tmp_path / "none.yaml")


def test_a_missing_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert fault(tmp_path, CONV) == "Timeloop files need the Python package 'yaml': pip install 'prunesim[files]'"
