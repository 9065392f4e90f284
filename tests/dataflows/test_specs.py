"""Which settings of a memory have an effect, told by the fields themselves."""

import pytest

from dataflows.specs import DramSpec, OnlyWith

KINDS = ("ideal", "banked")
MARKED = {
    kind: {name for name, field in DramSpec.model_fields.items() if OnlyWith(kind) in field.metadata} for kind in KINDS
}


def test_every_field_but_kind_and_channels_belongs_to_one_kind():
    assert MARKED["ideal"].isdisjoint(MARKED["banked"])
    assert MARKED["ideal"] | MARKED["banked"] == set(DramSpec.model_fields) - {"kind", "channels"}
    assert MARKED["ideal"] == {"bandwidth_gbs", "latency_ns", "burst_bytes"}


@pytest.mark.parametrize("kind", KINDS)
def test_descriptions_say_what_the_marks_say(kind):
    fields = DramSpec.model_fields
    assert {name for name in fields if str(fields[name].description).startswith(f"{kind}: ")} == MARKED[kind]


@pytest.mark.parametrize(("kind", "other"), [KINDS, KINDS[::-1]])
def test_settings_of_the_other_kind_are_idle_whatever_their_description_says(kind, other, monkeypatch):
    for field in DramSpec.model_fields.values():
        monkeypatch.setattr(field, "description", "")
    idle = DramSpec(kind=kind, channels=2).idle_settings()
    assert set(idle) - {"channels"} == MARKED[other]
