"""What tests of several rooms of the simulator need."""

import json

import pytest

TINY = "examples/tiny.toml"


@pytest.fixture
def serve(cli, tmp_path):
    """`prunesim serve` of a tiny network: its JSON report and what it printed."""

    def call(*arguments, on="structured"):
        file = tmp_path / "serve.json"
        result = cli("serve", TINY, "--on", on, *arguments, "--json", file)
        assert (result.code, result.err) == (0, f"wrote {file}\n")
        return json.loads(file.read_text()), result.out

    return call
