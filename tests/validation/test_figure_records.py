"""Recorded deviations: renewed by a command, told in DEVIATIONS.md, and asserted with their readings."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.validation import figure_records
from simulator.validation.figure_records import BEGIN, END, markdown, renewed, rewrite
from simulator.validation.figure_rows import Figure, Goal, Outside, Reading
from simulator.validation.figures import FigureSet
from simulator.validation.results import Result
from simulator.validation.sensitivity import Effect, moved_shares
from tests.project import ROOT
from tests.validation.own_figures import OWN, own_figures
from workloads.errors import InputError

DOCUMENT = ROOT / "DEVIATIONS.md"
READING = """
[[reading]]
machine = "scnn"
parameter = "array"
label = "two activations a vector"
changes = { activations_per_vector = 2 }
"""
NAMED = "array: two activations a vector"
RECORD = f"""
[[outside]]
id = "rtl"
deviation = -0.5
reading = "{NAMED}"
share = 0.6
"""


def test_the_document_says_what_is_recorded():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == markdown(FigureSet.read()).strip()


def test_renewal_records_a_deviation_and_forgets_it_when_it_closes(cli, tmp_path):
    folder = own_figures(tmp_path / "own", OWN.format(published=0.5))
    run = cli("validate", "--figures", folder)
    assert (run.code, "UNEXPLAINED, not recorded" in run.out) == (1, True)
    assert cli("validate", "--figures", folder, "--renew").code == 0
    run = cli("validate", "--figures", folder)
    assert (run.code, "1 figures: 0 within, 0 explained, 1 unexplained; 0 moved" in run.out) == (0, True)
    (row,) = FigureSet.read(folder).recorded.values()
    assert row.deviation == pytest.approx(-0.5, abs=0.002)
    assert row == Outside(id="rtl", deviation=row.deviation)

    own_figures(folder, OWN.format(published=0.25))
    run = cli("validate", "--figures", folder)
    assert (run.code, "WITHIN, closed, was -50." in run.out) == (1, True)
    before = (folder / "figures.toml").read_text()
    assert cli("validate", "--figures", folder, "--renew").code == 0
    assert FigureSet.read(folder).recorded == {}
    assert (folder / "figures.toml").read_text() == before
    assert cli("validate", "--figures", folder).code == 0


@pytest.mark.slow
def test_a_recorded_reading_is_measured_again_and_a_wrong_share_fails(cli, tmp_path):
    folder = own_figures(tmp_path / "own", OWN.format(published=0.5), READING, RECORD)
    run = cli("validate", "--figures", folder)
    assert (run.code, f"rtl, explained: {NAMED} explains 60%" in run.out) == (0, True)
    run = cli("validate", "--figures", folder, "--sensitivity")
    assert (run.code, f"rtl: '{NAMED}' explains 100%, recorded 60%" in run.out) == (1, True)
    assert cli("validate", "--figures", folder, "--renew").code == 0
    assert FigureSet.read(folder).recorded["rtl"].share == pytest.approx(1.0, abs=0.02)
    assert cli("validate", "--figures", folder, "--sensitivity").code == 0


FIGURE = Figure(id="odd", study="s", metric="speedup", unit="x", published=2.0, kind="k", source="nobody")
CHOSEN = FigureSet((FIGURE,), {}, {"k": Goal(relative=0.05)})
RECORDED = Outside(id="odd", deviation=0.2, reading="masks: skewed", share=0.6, note="and one thing more")


def test_renewed_records_keep_reading_and_note():
    chosen = FigureSet((FIGURE,), {}, CHOSEN.goals, recorded={"odd": RECORDED})
    result = Result(FIGURE, "m", 2.6, CHOSEN.goals["k"], RECORDED)
    expected = RECORDED.model_copy(update={"deviation": 0.3, "share": 0.2})
    assert renewed(chosen, [result], {"odd": 0.2}) == [expected]
    assert renewed(chosen, [result], {"odd": None}) == [Outside(id="odd", deviation=0.3, note=RECORDED.note)]
    assert renewed(chosen, [], {}) == [RECORDED]  # figures that were not measured keep their records
    assert renewed(chosen, [replace(result, simulated=2.01)], {}) == []


def test_a_written_record_is_read_back_as_it_was(tmp_path):
    folder = own_figures(tmp_path / "own", OWN.format(published=0.5), READING)
    row = Outside(id="rtl", deviation=-0.5, reading=NAMED, share=0.75, note='a "quoted" word, 3 µs')
    figure_records.write_records([row], folder)
    assert FigureSet.read(folder).recorded == {"rtl": row}


def test_a_reading_explains_when_half_is_gone_or_the_goal_is_met():
    def explains(deviation, share, goal=0.1):
        return Outside(id="odd", deviation=deviation, reading="c", share=share).verdict(goal) == "explained"

    assert [explains(0.4, share) for share in (0.49, 0.5, 1.0, 1.5, 1.51)] == [False, True, True, True, False]
    assert [explains(-0.12, share) for share in (0.16, 0.17, 1.83, 1.84)] == [False, True, True, False]
    assert not explains(0.4, -0.5)


def test_shares_are_compared_with_what_is_recorded(tmp_path):
    chosen = FigureSet.read(own_figures(tmp_path / "own", OWN.format(published=0.5), READING, RECORD))
    (figure,), (reading,) = chosen.figures, chosen.readings
    other = Reading(machine="scnn", parameter="other", label="l", changes={})

    def lines(simulated, reading=reading):
        return moved_shares(chosen, [Effect(figure, chosen.goal_of(figure), reading, simulated, 0.25)])

    assert lines(0.41) == []
    assert lines(0.30) == [f"rtl: '{NAMED}' explains 20%, recorded 60%"]
    assert lines(0.30, other) == []


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ('id = "rlt"', "recorded.toml: id = 'rlt': did you mean 'rtl'?"),
        (f'id = "rtl"\nreading = "{NAMED}s"\nshare = 0.6', f"reading = '{NAMED}s': did you mean '{NAMED}'?"),
        (f'id = "rtl"\nreading = "{NAMED}"', "reading and share must both be given, or neither"),
    ],
)
def test_a_wrong_record_is_refused_with_one_clear_line(cli, tmp_path, record, line):
    text = f"[[outside]]\ndeviation = -0.5\n{record}\n"
    run = cli("validate", "--figures", own_figures(tmp_path / "own", OWN.format(published=0.5), READING, text))
    assert run.code == 2
    assert line in run.err
    assert len(run.err.splitlines()) == 1


def test_a_document_is_rewritten_between_its_markers_alone(tmp_path):
    document = tmp_path / "d.md"
    document.write_bytes(f"before\r\n{BEGIN}\nold\n{END}\nafter\n".encode() + b"\xff")
    shown = FigureSet.read(own_figures(tmp_path / "own", OWN.format(published=0.5)))
    rewrite(document, shown)
    inside = markdown(shown)
    assert document.read_bytes() == f"before\r\n{BEGIN}\n{inside}{END}\nafter\n".encode() + b"\xff"
    assert "| scnn | 1 | 1 | 0 | 0 |" in inside
    document.write_text("no markers")
    with pytest.raises(InputError, match="must have the lines"):
        rewrite(document, shown)


def test_a_document_that_never_ends_or_begins_is_refused(tmp_path):
    shown = FigureSet.read(own_figures(tmp_path / "own", OWN.format(published=0.5)))
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((Path("/dev/full"), "device"), (tmp_path / "pipe", "pipe")):
        with pytest.raises(InputError, match=f"{path}: is a .*{kind}.*, must be a file"):
            rewrite(path, shown)


def test_the_document_shows_value_goal_verdict_and_reading(tmp_path):
    chosen = FigureSet.read(own_figures(tmp_path / "own", OWN.format(published=0.5), READING, RECORD + 'note = "n"'))
    assert f"| rtl | 0.5 of peak | 0.25 | -50.0 % | ±5 % | explained | {NAMED} explains 60%; n |" in markdown(chosen)
    assert "| all | 1 | 0 | 1 | 0 |" in markdown(chosen)
