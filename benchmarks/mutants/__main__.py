"""Break the sources, one small edit at a time, and count what no test notices."""

import argparse
import json
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.mutants.areas import FOLDER, Areas
from benchmarks.mutants.sample import Mutant, sample
from benchmarks.mutants.trials import Laboratory, Outcome


def main() -> None:
    """Run a campaign, or go on with the one of a results file, and print what survived and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="mutants of all areas together")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"), help="a line for each mutant")
    told = parser.parse_args()
    areas = Areas.load()
    mutants = sample(areas, told.count, told.seed)
    outcomes = [one for one in _before(told.results) if one.mutant in mutants]
    done = {one.mutant for one in outcomes}
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(Path(folder))
        for number, mutant in enumerate(mutants, 1):
            if mutant not in done:
                outcome = laboratory.attempt(mutant)
                outcomes.append(outcome)
                with told.results.open("a", encoding="utf-8") as results:
                    results.write(json.dumps(asdict(outcome)) + "\n")
                print(f"{number}/{len(mutants)} {outcome.verdict}: {mutant.path}:{mutant.line}", flush=True)
    print_result(outcomes, list(areas.parts))


def _before(results: Path) -> list[Outcome]:
    """What a results file holds, if there is one."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return [_outcome(json.loads(line)) for line in lines]


def _outcome(told: dict[str, Any]) -> Outcome:
    mutant = Mutant(**(told["mutant"] | {"tests": tuple(told["mutant"]["tests"])}))
    return Outcome(mutant, told["verdict"], tuple(told["before"]), tuple(told["after"]))


def print_result(outcomes: Iterable[Outcome], areas: Sequence[str]) -> None:
    """The survivors' edits, then the table; those of `equivalent.toml`, which change nothing, count in neither."""
    listed = tomllib.loads((FOLDER / "equivalent.toml").read_text(encoding="utf-8")).get("mutants", ())
    known = {(one["path"], tuple(one["before"]), tuple(one["after"])) for one in listed}
    counted = [one for one in outcomes if (one.mutant.path, one.before, one.after) not in known]
    for one in counted:
        if one.verdict == "survived":
            print(f"\n{one.mutant.path}:{one.mutant.line}")
            print("\n".join([*(f"- {line}" for line in one.before), *(f"+ {line}" for line in one.after)]))
    print(f"\n{table(counted, areas)}")


def table(outcomes: Iterable[Outcome], areas: Sequence[str]) -> str:
    """By area: mutants, killed, of these timed out, survived, share killed; the last row is the sum."""
    counts = Counter((area, one.verdict) for one in outcomes for area in (one.mutant.area, "all"))
    rows = [f"{'area':<10}{'mutants':>9}{'killed':>9}{'timed out':>11}{'survived':>10}{'share':>9}"]
    for area in [*areas, "all"]:
        late, lived = counts[area, "timed out"], counts[area, "survived"]
        killed = counts[area, "killed"] + late
        share = f"{killed / (killed + lived):.1%}" if killed + lived else "-"
        rows.append(f"{area:<10}{killed + lived:>9}{killed:>9}{late:>11}{lived:>10}{share:>9}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
