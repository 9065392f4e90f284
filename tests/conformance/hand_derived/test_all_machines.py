"""Every machine has pairs of its own, and the README tells how many there are."""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

from dataflows.registry import machines
from tests.conformance.hand_derived.pairs import Pair
from tests.project import ROOT

FOLDER = Path(__file__).parent


def pairs_of(file: Path) -> list[Pair]:
    module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return [*module.PAIRS, *getattr(module, "CONFLICTING", [])]


PAIRS = [pair for file in FOLDER.glob("test_*.py") if file != Path(__file__) for pair in pairs_of(file)]


def test_every_machine_has_pairs_of_its_own() -> None:
    pairs = Counter(pair.machine for pair in PAIRS)
    assert min(pairs[name] for name in machines()) >= 2


def test_the_readme_tells_of_no_more_than_there_are() -> None:
    (told,) = re.findall(r"(\d+) layer x machine pairs are derived by hand", (ROOT / "README.md").read_text())
    assert len(PAIRS) - 50 < int(told) <= len(PAIRS)  # those of newcomers may be missing
