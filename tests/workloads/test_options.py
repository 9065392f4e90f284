"""Options read, checked, written and listed from what a field says once."""

import math
from dataclasses import dataclass

import pytest

from workloads.errors import InputError
from workloads.options import check, choice, described, make, number, pairs, parse, text, whole, written


@dataclass(frozen=True)
class Filter:
    share: float = number("share that stays", 0, 1)
    taps: int = whole("taps", 1, math.inf, 3)
    limit: float | None = number("the most", 0, 10, None)
    order: str = choice("which first", "rising", "falling")
    source: str = text("a file", "")

    def __post_init__(self):
        check("filter 'box'", self)


KNOWN = {"box": Filter}


def test_what_is_written_reads_back_and_defaults_of_words_are_left_out():
    assert written(Filter(0.5)) == "share=0.5,taps=3"
    chosen = Filter(0.25, 4, 2.5, "falling", "a.txt")
    assert written(chosen) == "share=0.25,taps=4,limit=2.5,order=falling,source=a.txt"
    assert parse("filter", KNOWN, f"box:{written(chosen)}") == chosen


def test_blanks_around_a_key_are_no_part_of_it():
    assert parse("filter", KNOWN, "box:share=0.5, taps=4") == Filter(0.5, 4)


def test_a_listing_says_default_meaning_and_what_is_allowed():
    assert described(Filter) == (
        "share: share that stays (0 to 1)",
        "taps=3: taps (at least 1)",
        "limit: the most (0 to 10)",
        "order=rising: which first (rising, falling)",
        "source: a file",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bax:share=1", "unknown filter 'bax': did you mean 'box'?"),
        ("box", "filter 'box': key 'share' is missing: must be a number between 0 and 1"),
        ("box:shar=1", "filter 'box': unknown key 'shar': did you mean 'share'?"),
        ("box:share", "filter 'box': 'share' must have the form KEY=VALUE"),
        ("box:share=1,share=1", "filter 'box': key 'share' is given twice"),
        ("box:share=a", "filter 'box': share = 'a': must be a number between 0 and 1"),
        ("box:share=2", "filter 'box': share = 2.0: must be a number between 0 and 1"),
        ("box:share=nan", "filter 'box': share = nan: must be a number between 0 and 1"),
        ("box:share=1,taps=1.5", "filter 'box': taps = '1.5': must be a whole number of at least 1"),
        ("box:share=1,taps=0", "filter 'box': taps = 0: must be a whole number of at least 1"),
        ("box:share=1,order=fall", "filter 'box': order = 'fall': must be one of rising, falling; did you mean 'falling'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(given, message):
    with pytest.raises(InputError) as error:
        parse("filter", KNOWN, given)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "values",
    [{"share": True}, {"share": "1"}, {"share": math.inf}, {"share": 1, "taps": 2.0}, {"share": 1, "taps": math.inf}],
)
def test_values_of_another_type_and_infinity_are_refused(values):
    with pytest.raises(InputError, match="must be a"):
        make("filter 'box'", Filter, values)


def test_a_whole_number_of_any_size_is_a_number():
    assert make("filter 'box'", Filter, {"share": 1, "taps": 10**400}).taps == 10**400


def test_pairs_may_stand_apart():
    assert pairs("--equal", "bits=8, clock_ghz=1 ,", ["bits", "clock_ghz"]) == {"bits": "8", "clock_ghz": "1"}
