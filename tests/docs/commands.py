"""The commands of documents: indented or fenced lines that call `prunesim` or an example, as a reader would type them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.project import ROOT

# What is no command to run as it stands: names in capitals and dots stand for what a reader has.
_STANDS_FOR = re.compile(r"\b(?:[A-Z]{2,}|M1,M2|HOST)\b(?![\w.-]*\.(?:toml|npz|json))|\.\.\.|\$address|127\.0\.0\.1")
_COMMENT = re.compile(r"\s+#\s.*$|\s{2,}\S.*$")


@dataclass(frozen=True)
class Command:
    """A command and where it stands."""

    document: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def documents() -> list[Path]:
    """Every page that a user reads."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_of(path: Path) -> list[Command]:
    """The commands of a document, without their comments, in order; what only shows a form is left out."""
    found: list[Command] = []
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fenced ^= line.startswith("```")
        text = line.strip()
        if not text.startswith(("prunesim ", "python examples/")) or not (fenced or line.startswith("    ")):
            continue
        text = _COMMENT.sub("", text)
        if not _STANDS_FOR.search(text):
            found.append(Command(path.name, number, text))
    return found
