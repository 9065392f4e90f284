"""Importers register themselves; a file is told by its suffix or by what it holds."""

from pathlib import Path

import pytest

from workloads.catalog import load_workload
from workloads.importers import Imported, Importer, format_lines, importer, importers, recognise, suffixes


def nothing(path, options):
    raise AssertionError(path, options)


@pytest.mark.parametrize("one", [one for one in importers() if one.holds is None], ids=lambda one: one.title)
def test_a_suffix_tells_the_importer_in_small_and_capital_letters(one):
    for suffix in one.suffixes:
        assert recognise(Path(f"net{suffix}")) is recognise(Path(f"net{suffix.upper()}")) is one


def test_the_lines_read_from_the_files_are_those_of_the_importers():
    known = sorted(((one.title, one.suffixes) for one in importers()), key=lambda line: line[0].lower())
    assert format_lines() == known


def test_files_whose_suffix_others_share_are_told_by_what_they_hold(tmp_path):
    topology, table = tmp_path / "net.csv", tmp_path / "table.csv"
    topology.write_text("Layer, M, N, K,\nfc, 1, 2, 3,\n")
    table.write_text("layer,weight_density\n")
    assert recognise(topology) in importers()
    assert recognise(table) is None


def test_a_folder_is_told_by_its_files(tmp_path):
    assert recognise(tmp_path) is None
    (tmp_path / "wgt-conv1.npy").touch()
    assert recognise(tmp_path).suffixes == ()


def test_a_workload_s_file_is_looked_into_once_before_it_is_read(tmp_path, monkeypatch):
    file, shipped, looked = tmp_path / "net.mine", load_workload(), []
    file.touch()

    def holds(path):
        looked.append(path)
        return True

    mine = Importer("mine", (".mine",), lambda path, options: Imported(shipped), holds)  # noqa: ARG005 (a reader's)
    monkeypatch.setattr(Importer, "registry", [mine])
    assert load_workload(str(file)).files == (file, *shipped.files)
    assert looked == [file]


def test_suffixes_are_those_of_all_importers_or_of_weights_alone():
    assert {suffix for one in importers() for suffix in one.suffixes} == set(suffixes())
    assert set(suffixes(weights_alone=True)) == {".safetensors", ".pt", ".pth"}


def test_two_importers_cannot_take_all_files_of_a_suffix(monkeypatch):
    importers()
    monkeypatch.setattr(Importer, "registry", list(Importer.registry))
    with pytest.raises(TypeError, match=r"importers 'ONNX' and 'mine' both take all '\.onnx' files"):
        importer("mine", ".mine", ".onnx")(nothing)
    importer("mine", ".mine", ".onnx", holds=Path.is_mount)(nothing)


def test_a_folder_needs_a_test_of_what_it_holds():
    with pytest.raises(TypeError, match="importer 'mine': has neither suffixes nor a test of what a folder holds"):
        importer("mine")(nothing)
