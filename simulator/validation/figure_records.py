"""What is recorded of figures outside their goals: renewed from results, and told in a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from simulator.studies.study import Progress
from simulator.validation.figure_rows import VERDICTS, Figure, Outside, Verdict
from simulator.validation.figures import RECORDED, FigureSet
from simulator.validation.results import Result, results
from simulator.validation.sensitivity import recorded_effects
from workloads.errors import InputError
from workloads.files import read_bytes, write_whole
from workloads.texts import toml_value

BEGIN = "<!-- verdicts: rewritten by `prunesim validate --markdown FILE` -->"
END = "<!-- end of verdicts -->"
_HEAD = """\
# Deviations of figures outside their goals, with seed 0: recorded by `prunesim validate --renew`, which never changes
# a goal. `reading` is one of readings.toml, `share` what it alone explains of the deviation, which is explained where
# what is left is within the goal or at most half. `note` says what else is known.
"""
_WIDTH = 120
_TABLE = (
    "| figure | published | simulated | deviation | goal | verdict | reading and its share, and what else is known |"
)


def renew(
    whole: FigureSet, chosen: FigureSet, folder: Path, jobs: int | None = 1, progress: Progress | None = None
) -> list[Path]:
    """Measure the chosen figures and recorded readings; write the records of the whole. Raises as `measure`."""
    # Figures first, since the share that a reading explains is measured against their values without it.
    found = results(chosen, jobs=jobs, progress=progress)
    values = {result.figure.id: result.simulated for result in found}
    shares = {effect.figure.id: effect.share for effect in recorded_effects(chosen, values, jobs, progress)}
    rows = renewed(whole, found, shares)
    # Each home keeps its own file; one that has no deviation left is rewritten empty, not left as it was.
    own = {home: [row for row in rows if whole.home_of(row.id) == home] for home in whole.homes}
    return [
        write_records(some, folder / home) for home, some in own.items() if some or (folder / home / RECORDED).exists()
    ]


def renewed(chosen: FigureSet, measured: Sequence[Result], shares: Mapping[str, float | None]) -> list[Outside]:
    """Records as these results ask for, in the order of the figures; those of figures without a result stay.

    shares    what each figure's recorded reading explains now
    """
    found = {result.figure.id: result for result in measured}
    rows = []
    for name in (figure.id for figure in chosen.figures):
        old = chosen.recorded.get(name)
        if name not in found:
            rows += [] if old is None else [old]
        # A figure that has come inside its goal loses its record, and one that has left it gets one.
        elif not found[name].inside:
            rows.append(_renewed(found[name], old, shares.get(name)))
    return rows


def _renewed(result: Result, old: Outside | None, share: float | None) -> Outside:
    new: dict[str, Any] = {
        "id": result.figure.id,
        # Far finer than the change that counts as a move, which is one percent (`results`).
        "deviation": round(result.deviation, 3),
        "note": old.note if old else "",
    }
    # A reading is chosen by hand; renewing only measures again what the chosen one explains.
    if old is None or share is None:
        return Outside(**new)
    return Outside(**new, reading=old.reading, share=round(share, 2))


def write_records(rows: Sequence[Outside], folder: Path) -> Path:
    """Write a folder's records. Raises `InputError` when the file cannot be written."""
    path = folder / RECORDED
    tables = ["\n".join(["[[outside]]", *_keys(row)]) for row in rows]
    write_whole(path, "\n\n".join([_HEAD.rstrip("\n"), *tables]) + "\n")
    return path


def _keys(row: Outside) -> Iterator[str]:
    for key, value in row.model_dump(exclude_defaults=True).items():
        yield f"{key} = {toml_value(value)}"


def recorded_verdict(chosen: FigureSet, figure: Figure) -> Verdict:
    """The verdict that the records say."""
    row = chosen.recorded.get(figure.id)
    return "within" if row is None else row.verdict(chosen.allowed(figure))


def rewrite(path: Path, chosen: FigureSet) -> None:
    """Put the records between a document's markers. Raises `InputError` when it has none, or cannot be written."""
    # Everything outside the two markers stays as it is, byte for byte.
    before, begin, rest = read_bytes(path).partition(BEGIN.encode())
    _, end, after = rest.partition(END.encode())
    if not begin or not end:
        raise InputError(f"{path}: must have the lines '{BEGIN}' and '{END}'")
    write_whole(path, b"".join([before, begin, b"\n", markdown(chosen).encode(), end, after]))


def markdown(chosen: FigureSet) -> str:
    """Goals, counts and deviations as Markdown tables; all from the records, which `prunesim validate` asserts."""
    parts = [_goals(chosen), _counts(chosen), _outside(chosen), _within(chosen)]
    return "".join(f"\n{part}\n" for part in parts) + "\n"


def _goals(chosen: FigureSet) -> str:
    kinds = [f"| {kind} | ±{goal} | {goal.what} |" for kind, goal in chosen.goals.items()]
    return "\n".join(["| kind of figure | goal | what |", "|---|---|---|", *kinds])


def _counts(chosen: FigureSet) -> str:
    counts: dict[str, Counter[Verdict]] = {}
    for figure in chosen.figures:
        counts.setdefault(chosen.label_of(figure), Counter())[recorded_verdict(chosen, figure)] += 1
    total = sum(counts.values(), Counter())
    lines = [f"| machine | figures | {' | '.join(VERDICTS)} |", "|---|---|---|---|---|"]
    for name, own in [*counts.items(), ("all", total)]:
        lines.append(f"| {name} | {own.total()} | {' | '.join(str(own[verdict]) for verdict in VERDICTS)} |")
    return "\n".join(lines)


def _outside(chosen: FigureSet) -> str:
    lines = [_TABLE, "|---|---|---|---|---|---|---|"]
    for figure in chosen.figures:
        row = chosen.recorded.get(figure.id)
        if row is None:
            continue
        why = "; ".join(part for part in (row.told, row.note) if part)
        goal = chosen.goal_of(figure)
        simulated = goal.value(row.deviation, figure.published)
        # A space before the sign of percent, as texts have it and terminals do not.
        deviation = goal.prose(row.deviation)
        lines.append(
            f"| {figure.id} | {figure.published:.4g} {figure.unit} | {simulated:.3g} | {deviation} | "
            f"±{goal} | {recorded_verdict(chosen, figure)} | {why} |"
        )
    return "\n".join(lines)


def _within(chosen: FigureSet) -> str:
    names: dict[str, list[str]] = {}
    for figure in chosen.figures:
        if figure.id not in chosen.recorded:
            names.setdefault(chosen.label_of(figure), []).append(figure.id)
    items = [f"- {machine}: {', '.join(own)}." for machine, own in names.items()]
    lines = [fill(item, _WIDTH, subsequent_indent="  ", break_on_hyphens=False) for item in items]
    return "\n".join(["Within their goals:", "", *lines])
