"""What every machine, pruning, format and kind of plot owes besides its own file, so that a newcomer is told the rest.

Each debt is a rule that finds the thing by the newcomer's name; docs/extending.md has a whole example of each.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import golden, results
from dataflows.registry import machines
from simulator.network_simulation import able_machines
from simulator.plots import plot_kinds
from simulator.reports.report import EVENTS
from simulator.validation.figures import FigureSet
from tests.conformance.hand_derived.test_all_machines import PAIRS
from tests.project import ROOT
from tests.workloads.formats.bit_strings import TWINS
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.formats import formats
from workloads.importers import importers
from workloads.pruning import parse, prunings

ROOMS = ROOT / "tests" / "dataflows" / "machines"
STRUCTURES = ROOT / "tests" / "workloads" / "pruning" / "methods"


def room_of(chosen: type) -> str:
    """The file or folder of `dataflows/machines` that a machine is defined in."""
    return chosen.__module__.removeprefix("dataflows.machines.").partition(".")[0]


def rows_of(document: str, section: str = "") -> list[str]:
    """The first cells of the tables of a document, or of one section of it."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)


def has_row(name: str, document: str, section: str = "") -> bool:
    return any(f"`{name}`" in cell for cell in rows_of(document, section))


def texts_that_name(folder: Path, *words: str) -> Iterator[str]:
    """Texts of the tests of a folder in which one of the words stands by itself."""
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, words))})(?![\w-])")
    for file in sorted(folder.rglob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        if pattern.search(text):
            yield text


def compared_in_the_readme(name: str) -> bool:
    """Whether the README's table has the machine; one that cannot run the shipped network has no row there."""
    able, _ = able_machines([machines()[name]()], load_workload("blazepose"))
    return not able or f"\n| {name} |" in results.tables_in(ROOT / "README.md")["blazepose"]


def figures_of(name: str) -> int:
    """How many published figures the machine is compared with by simulation."""
    published = FigureSet.read()
    simulated = (figure for figure in published.figures if published.model_of(figure) == EVENTS)
    return sum(published.machine_of(figure) == name for figure in simulated)


def machine_debts(name: str) -> Iterator[str]:
    chosen = machines()[name]
    room = f"tests/dataflows/machines/{room_of(chosen)}"
    parents = (parent.__name__ for parent in inspect.getmro(chosen) if parent.__module__ == chosen.__module__)
    found = texts_that_name(ROOMS / room_of(chosen), name, *parents)
    if not any("twin" in text and "pytest.mark.twin" in text for text in found):
        yield f"a slow twin: a test in {room}/ that is marked `twin`, names {name} or {chosen.__name__}, and compares them"
    if sum(pair.machine == name for pair in PAIRS) < 2:
        yield f"two layers worked out by hand: `PAIRS` in tests/conformance/hand_derived/test_{name.replace('-', '_')}.py"
    for section in ("Groups", "Weights", "Maps"):
        if not has_row(name, "machines.md", section):
            yield f"a row in docs/machines.md, section {section}"
    if not has_row(name, "comparing.md", "One size for all"):
        yield "a row in docs/comparing.md, section One size for all, that repeats its `scaling`"
    if not golden.path(name).exists():
        yield f"a golden report: run `python -m benchmarks.golden {name}`"
    if not compared_in_the_readme(name):
        yield "a row in README.md: run `python -m benchmarks.results blazepose --renew`"
    if (figures := figures_of(name)) and f"\n| {name} | {figures} |" not in (ROOT / "DEVIATIONS.md").read_text():
        renew = f"prunesim validate --machine {name} --renew --markdown DEVIATIONS.md"
        yield f"verdicts of its published figures in DEVIATIONS.md: run `{renew}`"


def pruning_debts(name: str) -> Iterator[str]:
    chosen = prunings()[name]
    for options in chosen.examples:
        try:
            parse(f"{name}:{options}" if options else name)
        except InputError as error:
            yield f"`examples` that can be tried, in {chosen.__name__} ({error})"
    if not has_row(name, "prunings.md", "Methods"):
        yield "a row in docs/prunings.md, section Methods"
    parents = (parent.__name__ for parent in inspect.getmro(chosen) if ".methods." in parent.__module__)
    if not any(texts_that_name(STRUCTURES, name, *parents)):
        yield f"a check of its structure: a test in tests/workloads/pruning/methods/ that names {name}"


def format_debts(name: str) -> Iterator[str]:
    file = f"tests/workloads/formats/kinds/{name}.py"
    twin = TWINS.get(name)
    if not hasattr(twin, "bit_strings") or not hasattr(twin, "SETTINGS"):
        yield f"a slow twin: `SETTINGS` and `bit_strings` in {file} (see tests/workloads/formats/bit_strings.py)"
    if not hasattr(twin, "EXAMPLE"):
        yield f"an example bit string, worked out by hand: `EXAMPLE` in {file}"
    if not has_row(name, "formats.md", "What a format sees"):
        yield "a row in docs/formats.md, section What a format sees"


def plot_debts(name: str) -> Iterator[str]:
    if not has_row(name, "plots.md", "Kinds"):
        yield "a row in docs/plots.md, section Kinds"
    if not any(texts_that_name(ROOT / "tests" / "simulator" / "plots", name, f"plots.{name}")):
        yield f"a test of the data that it draws: in tests/simulator/plots/, naming {name}"


DEBTS = {
    "machine": (machines, machine_debts),
    "pruning": (prunings, pruning_debts),
    "format": (formats, format_debts),
    "kind of plot": (plot_kinds, plot_debts),
}


@pytest.mark.parametrize(("what", "name"), [(what, name) for what, (known, _) in DEBTS.items() for name in known()])
def test_nothing_is_owed(what, name):
    owed = [f"{what} '{name}' still owes {debt}" for debt in DEBTS[what][1](name)]
    assert not owed, "\n".join(owed)


@pytest.mark.parametrize("one", importers(), ids=lambda one: one.title)
def test_every_importer_has_its_suffixes_in_the_document(one):
    text = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
    missing = [suffix for suffix in one.suffixes if f"`{suffix}`" not in text]
    assert not missing, f"importer '{one.title}' still owes a row in docs/importing.md with {', '.join(missing)}"


@pytest.mark.parametrize("what", DEBTS)
def test_a_newcomer_is_told_everything_that_it_owes(what, monkeypatch):
    """Somebody who brings nothing along: the registered class of another under a name that stands nowhere."""
    known, debts = DEBTS[what]
    facts = {"examples": ("density=2",), "__module__": "dataflows.machines.newcomer"}
    newcomer = type("Newcomer", (object,), facts | {"require": lambda *_: None})
    monkeypatch.setitem(globals(), known.__name__, lambda: {"newcomer": newcomer})
    monkeypatch.setitem(globals(), figures_of.__name__, {"newcomer": 3}.get)
    told = "\n".join(debts("newcomer"))
    expected = {
        "machine": (
            "a slow twin: ",
            "two layers worked out by hand: ",
            "Groups",
            "Weights",
            "Maps",
            "docs/comparing.md",
            "golden newcomer`",
            "a row in README.md: run `python -m benchmarks.results blazepose --renew`",
            "run `prunesim validate --machine newcomer --renew --markdown DEVIATIONS.md`",
        ),
        "pruning": ("`examples` that can be tried", "a row in docs/prunings.md", "a check of its structure: "),
        "format": ("a slow twin: ", "an example bit string, ", "a row in docs/formats.md"),
        "kind of plot": ("a row in docs/plots.md", "a test of the data that it draws: "),
    }
    assert len(told.splitlines()) == len(expected[what])
    assert all(words in told for words in expected[what]), told
