"""Studies that tests share: small layers, a few hundredths of a second a point."""

import sqlite3
from pathlib import Path

from simulator.studies.study import Study
from simulator.studies.study_file import StudyTable

NETWORK = """
name = "small"
[[layers]]
name = "first"
in_channels = 8
out_channels = 16
input_size = [12, 12]
kernel_size = 3
padding = 1
weight_density = 0.4
activation_density = 0.5
relu_input = true
[[layers]]
name = "second"
in_channels = 16
out_channels = 8
input_size = [12, 12]
kernel_size = 1
weight_density = 0.3
activation_density = 0.6
"""


def network(folder: Path) -> str:
    path = folder / "small.toml"
    path.write_text(NETWORK)
    return str(path)


def study(name: str = "study", **tables: object) -> Study:
    return Study.of(StudyTable.checked(tables, "test"), name, "test")


def contents(store: Path) -> list[tuple]:
    """Every row of every table, in an order of their own."""
    database = sqlite3.connect(store)
    tables = ("results", "failures", "studies")
    rows = [(table, *row) for table in tables for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
    database.close()
    return rows
