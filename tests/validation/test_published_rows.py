"""Every row of the published tables is a figure, or refused with its reason."""

import csv
from fnmatch import fnmatchcase

import pytest

from simulator.validation.figures import FigureSet
from tests.shared_data import SHARED, needs_shared

PUBLISHED = FigureSet.read()
AS_SETTINGS = {"scnn-dram-knee": "dram.bandwidth_gbs"}  # rows whose value a study sets instead of measuring it
PATTERNS = [pattern for refused in PUBLISHED.refused for pattern in refused.rows]


def table(*parts):
    with SHARED.joinpath(*parts).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(text):
    """The numbers of a cell, of which some hold one for each of several parts: `0.469/0.122`."""
    return [float(part) for part in text.split("/") if part]


def published_amounts():
    """What each row of areas, powers and relative costs says, by its name."""
    rows = {}
    for row in table("models", "energy", "area_power_published.csv"):
        # A name that comes twice in the table, of another node, gets its parts from both.
        rows.setdefault(f"{row['machine']}/{row['item']}", []).extend(
            [*numbers(row["area_mm2"]), *numbers(row["power_mW"])]
        )
    for row in table("models", "energy", "op_energy.csv"):
        if row["component"].startswith("relative "):
            rows[row["component"]] = numbers(row["energy_pJ"])
    return rows


def published_values():
    """(value, what it may be off by) of every row by its name; None where a row is no measurement."""
    rows = {}
    for row in table("validation", "published.csv"):
        text = row["published"].removeprefix("<")
        last_digit = 10.0 ** -len(text.partition(".")[2])
        rows[row["id"]] = (float(text), last_digit / 2)
    for row in table("validation", "scnn_figures.csv"):
        value = float(row["value"])
        value = 1 / value if row["unit"] == "latency relative to DCNN" else value
        name = f"{row['figure']}/{row['network']}/{row['layer_or_density']}/{row['series']}"
        rows[name] = (value, 0.005 * value)  # the drawings' reading error
    return rows | {row["layer"]: None for row in table("models", "eie_benchmarks.csv")}


@needs_shared
def test_every_row_is_a_figure_or_refused_and_none_is_both():
    rows = {*published_values(), *published_amounts()}
    compared = {row for figure in PUBLISHED.figures for row in figure.rows}
    refused = {row for row in rows if any(fnmatchcase(row, pattern) for pattern in PATTERNS)}
    assert compared - rows == set()
    assert compared & refused == set()
    assert rows - compared - refused == set()


@needs_shared
@pytest.mark.parametrize("figure", [f for f in PUBLISHED.figures if f.rows], ids=lambda figure: figure.id)
def test_a_figure_has_the_value_of_its_rows(figure):
    values, amounts = published_values(), published_amounts()
    for row in figure.rows:
        if row in amounts:
            assert figure.published in amounts[row], row
            continue
        stated = values[row]
        if stated is None:
            continue
        value, error = stated
        if row in AS_SETTINGS:
            assert value in [point[AS_SETTINGS[row]] for point in PUBLISHED.points(figure)]
        else:
            assert figure.published == pytest.approx(value, abs=error + 1e-9), row


@needs_shared
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_refusal_is_idle(pattern):
    assert any(fnmatchcase(row, pattern) for row in (*published_values(), *published_amounts()))


def test_every_refusal_has_its_reason_in_a_line():
    for refused in PUBLISHED.refused:
        assert refused.reason
        assert "\n" not in refused.reason
