"""Tables as Markdown."""

from collections.abc import Iterable, Iterator, Sequence


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row names the columns, without a line's end after it."""
    return "\n".join(table_lines(rows))


def table_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, each as soon as its row is there."""
    for place, row in enumerate(rows):
        yield _line(row)
        if place == 0:
            yield "|" + "---|" * len(row)


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(row) + " |"


def print_table(title: str, rows: Iterable[Sequence[str]]) -> None:
    """The table under its title, each row as soon as it is there."""
    print(f"\n{title}\n")
    for line in table_lines(rows):
        print(line, flush=True)
