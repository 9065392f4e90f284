"""The tables of README.md and docs/results.md say what the commands beside them print today."""

import pytest

from benchmarks import results
from benchmarks.markdown import table_text
from tests.shared_data import SHARED, needs_shared

WRITTEN = {name: text for document in results.DOCUMENTS for name, text in results.tables_in(document).items()}
DATA = SHARED / "data"
MASKS = {
    "squeezenet": DATA / "squeezenet_dc",
    "resnet50": DATA / "resnet50_dlmc",
    "photographs": DATA / "squeezenet_dc_photographs",
    "densities": DATA / "density",
}


def test_every_table_stands_in_a_document():
    assert WRITTEN.keys() == results.TABLES.keys() | results.WITH_MASKS.keys()


@pytest.mark.slow
def test_the_readme_shows_what_the_first_command_prints():
    moved = results.differences("blazepose", WRITTEN["blazepose"], table_text(results.TABLES["blazepose"]()))
    assert moved == [], "`python -m benchmarks.results blazepose --renew` writes the table anew"


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(results.TABLES.keys() - {"blazepose"}))
def test_a_table_of_results(name):
    assert results.differences(name, WRITTEN[name], table_text(results.TABLES[name]())) == []


@pytest.mark.nightly
@needs_shared
@pytest.mark.parametrize("name", sorted(results.WITH_MASKS))
def test_a_table_of_real_masks(name):
    network, measure = results.WITH_MASKS[name]
    if not MASKS[network].is_dir():
        pytest.skip(f"there is no folder {MASKS[network]}")
    assert results.differences(name, WRITTEN[name], table_text(measure(str(MASKS[network])))) == []


def test_renewing_puts_tables_in_their_places_and_nowhere_else(tmp_path):
    document = tmp_path / "d.md"
    document.write_text(
        "a\n\n<!-- table: one -->\n\n| x |\n|---|\n\n<!-- end -->\n\nb\n\n<!-- table: two -->\n\ny\n\n<!-- end -->\n"
    )
    assert results.tables_in(document) == {"one": "| x |\n|---|", "two": "y"}
    changed = results.renewed(document, {"two": table_text([("n", "m"), ("1", "2")])})
    assert changed == document.read_text().replace("\ny\n", "\n| n | m |\n|---|---|\n| 1 | 2 |\n")
    assert results.differences("two", "y", "z") == ["--- two, written", "+++ two, now", "@@ -1 +1 @@", "-y", "+z"]
