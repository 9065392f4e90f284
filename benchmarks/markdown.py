"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row names the columns, without a line's end after it."""
    head, *rest = rows
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join(
        "|" + "|".join(row) + "|" if number == 1 else "| " + " | ".join(row) + " |" for number, row in enumerate(lines)
    )


def print_table(title: str, rows: Iterable[Sequence[str]]) -> None:
    """The table under its title."""
    print(f"\n{title}\n\n{table_text(rows)}")
