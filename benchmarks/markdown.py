"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row names the columns, without a line's end after it."""
    head, *rest = rows
    return "\n".join([_line(head), "|" + "---|" * len(head), *map(_line, rest)])


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(row) + " |"


def print_table(title: str, rows: Iterable[Sequence[str]]) -> None:
    """The table under its title."""
    print(f"\n{title}\n\n{table_text(rows)}")
