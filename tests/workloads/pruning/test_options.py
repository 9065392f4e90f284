"""What every pruning can be told: defaults and limits, which studies that leave an option out rely on."""

import re

import pytest

from workloads.options import described
from workloads.pruning import prunings

SHARE = "(0 to 1)"
UNIT = ["links=auto (auto, none)", "remove=shrink (shrink, zero)", "sums=union (union, intersection)"]
GROUP = ["group=8 (1 to 1024)", "table=none (none, c3d, r2plus1d-18)"]
OPTIONS = {  # key=default (allowed)
    "aap": [
        *(f"{key}={value} ({least} to 1024)" for key, value, least in (
            ("conv_g", 8, 1), ("conv_p", 6, 0), ("fc_g", 16, 1), ("fc_p", 15, 0), ("last_g", 16, 1), ("last_p", 12, 0))),
        "orientation=channels (channels, filters)",
    ],
    "block": [f"density {SHARE}", "filters=8 (1 to 4096)", "channels=8 (1 to 4096)"],
    "channel": [f"density {SHARE}", "scope=layer (layer, global)", *UNIT],
    "filter": [f"density {SHARE}", *UNIT],
    "kernel": [f"density {SHARE}", "balance=free (free, filter)"],
    "kgc": [*GROUP, f"density {SHARE}"],
    "kgr": [*GROUP, f"density {SHARE}"],
    "kgrc": [*GROUP, f"rows {SHARE}", f"columns {SHARE}"],
    "lowrank": ["ratio (1 to 1000000.0)", f"energy {SHARE}", "scheme=spatial (spatial, channel)"],
    "nested": ["levels", "level=0 (0 to 16)"],
    "nm": ["n=2 (0 to 1024)", "m=4 (1 to 1024)"],
    "pattern": ["set=pconv", "size=8 (1 to 56)", f"connectivity=1.0 {SHARE}", "balance=filter (filter, free)"],
    "quantize": ["bits=8 (1 to 16)", "method=uniform (uniform, codebook)", "activation_bits=0 (0 to 16)"],
    "rt3d": [
        f"density {SHARE}", "scheme=kgs (kgs, vanilla)", "filters=8 (1 to 1024)", "channels=8 (1 to 1024)",
        "balance=free (free, group)",
    ],
    "shape": [f"density {SHARE}"],
    "unstructured": [f"density {SHARE}", "scope=layer (layer, global)"],
    "vector": [f"density {SHARE}", "axis=row (row, column)"],
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_and_limits_are_those_that_files_and_documents_rely_on(name):
    found = [re.sub(r":.*?( \([^()]*\))?$", r"\1", line) for line in described(prunings()[name])]
    assert found == OPTIONS[name]
