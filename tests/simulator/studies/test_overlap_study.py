"""What lies between layers, swept."""

import pytest

from simulator.studies.store import Store, load_results


@pytest.mark.slow
@pytest.mark.parametrize("key", ["overlap", "pooling"])
def test_a_sweep_over_what_lies_between_layers_shows_and_keeps_the_network(cli, tmp_path, key):
    values = {"overlap": ["none", "tiles"], "pooling": ["leaving", "memory"]}[key]
    store = tmp_path / "s.sqlite"
    arguments = ("--layers", "conv[12]", "--on", "structured", "--vary", f"{key}={','.join(values)}", "--store", store)
    out = cli("sweep", "alexnet", *arguments).out
    assert "network ms" in out
    assert "gain" in out
    frame = load_results(store)
    assert frame[key].tolist() == values
    assert frame["cycles"].nunique() == 1
    assert frame["network.cycles"].nunique() == 2
    with Store(store, reading=True) as opened:
        for row in opened.rows():
            assert opened.report(row["key"])["network"]["cycles"] == row["network.cycles"]
