"""What `areas.toml` says: sources, the tests that should notice a mutant there, and which edits are made."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


@dataclass(frozen=True)
class Part:
    """Sources of an area, files or folders from the root, and arguments of pytest: the tests for a mutant there."""

    area: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]

    def each(self) -> list[Self]:
        """This part, or one for everything in the folder that `folder/*` names; `{name}` in its tests is the name."""
        (source, *more) = self.sources
        if not source.endswith("/*"):
            return [self]
        entries = sorted((ROOT / source).parent.glob("[!_]*"))
        return [
            type(self)(
                self.area,
                (entry.relative_to(ROOT).as_posix(), *more),
                tuple(test.format(name=entry.stem, title=entry.stem.replace("_", "-")) for test in self.tests),
            )
            for entry in entries
        ]


@dataclass(frozen=True)
class Areas:
    """Parts by area in the file's order, names of operators, and constants that decide nothing but speed."""

    parts: dict[str, tuple[Part, ...]]
    operators: tuple[str, ...]
    speed_only: frozenset[str]

    @classmethod
    def load(cls) -> Self:
        """Read the file beside this module."""
        told = tomllib.loads((FOLDER / "areas.toml").read_text(encoding="utf-8"))
        parts = {
            area: tuple(part for one in found for part in Part(area, tuple(one["sources"]), tuple(one["tests"])).each())
            for area, found in told["areas"].items()
        }
        return cls(parts, tuple(told["operators"]), frozenset(told["speed_only"]))

    def owners(self, area: str) -> dict[str, Part]:
        """Every source file of an area, sorted, with its part: of several the one that says most about where it is."""
        found: dict[str, tuple[int, Part]] = {}
        for part in self.parts[area]:
            for source in part.sources:
                place = ROOT / source
                for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
                    path = file.relative_to(ROOT).as_posix()
                    if file.name != "__init__.py" and len(source) > found.get(path, (0, part))[0]:
                        found[path] = len(source), part
        return {path: part for path, (_, part) in sorted(found.items())}
