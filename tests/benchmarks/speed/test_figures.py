"""Lines of the table of speeds: ratios, limits, before and after."""

import pytest

from benchmarks.speed.figures import Figure, Part, faults, number
from benchmarks.speed.limits import LIMITS, limit_of
from benchmarks.speed.sides import Measured

PART = Part("layer", "A layer", "ms", 1e3, "numpy, dense", lambda _: iter(()))
BARE = Part("growth", "Growth", "exponent", 1, None, lambda _: iter(()))


def test_a_row_without_another_checkout():
    figure = Figure("scnn schedule", Measured(0.016), 0.020, "5 cycles")
    assert PART.head(compared=False) == ("layer", "ms", "of numpy, dense", "limit", "", "result")
    assert PART.row(figure, compared=False) == ("scnn schedule", "16.0", "0.800", "1", "met", "5 cycles")


def test_a_row_with_another_checkout():
    figure = Figure("scnn schedule", Measured(0.024, 0.048), 0.020)
    assert PART.head(compared=True) == (
        "layer", "before, ms", "now, ms", "before / now", "of numpy, dense", "limit", "", "result",
    )  # fmt: skip
    assert PART.row(figure, compared=True) == ("scnn schedule", "48.0", "24.0", "2.00", "1.20", "1", "NOT MET", "")


def test_a_row_that_the_other_checkout_cannot_measure():
    row = PART.row(Figure("new schedule", Measured(0.001), 0.01), compared=True)
    assert row == ("new schedule", "", "1.00", "", "0.100", "1", "met", "")


def test_another_result_than_before_stands_in_the_row_and_among_the_faults():
    figure = Figure("abm schedule", Measured(0.001, 0.001, 3, equal=False), 0.01, "3 cycles")
    assert PART.row(figure, compared=True)[-1] == "3 cycles NOT THE SAME AS BEFORE"
    assert list(faults("layer", [figure])) == ["layer: abm schedule: the result is not the same as before"]


def test_numbers_that_are_ratios_have_no_yardstick():
    figure = Figure("scnn, products", Measured(1.2, 0.6))
    assert BARE.head(compared=True) == ("growth", "before, exponent", "now, exponent", "limit", "", "result")
    assert BARE.row(figure, compared=True) == ("scnn, products", "0.600", "1.20", "1.1", "NOT MET", "")


@pytest.mark.parametrize("part", [PART, BARE])
@pytest.mark.parametrize("compared", [False, True])
def test_rows_are_as_long_as_their_head(part, compared):
    assert len(part.row(Figure("x", Measured(1.0, 2.0)), compared=compared)) == len(part.head(compared=compared))


def test_faults_are_the_figures_above_their_limits():
    figures = [
        Figure("a schedule", Measured(2.0), 2.0),
        Figure("b schedule", Measured(2.02), 2.0),
        Figure("c", Measured(9.0)),
    ]
    assert list(faults("layer", figures)) == ["layer: b schedule: 1.01, limit 1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.001234, "0.0012"),
        (0.1234, "0.123"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_the_first_limit_that_fits_counts():
    assert limit_of("networks", "vgg16@deep-compression scnn report") == 1.5
    assert limit_of("networks", "blazepose scnn report") == 3
    assert limit_of("counting", "dcnn counted") == 1.1
    assert limit_of("networks", "vgg16@deep-compression abm report") == 3
    assert limit_of("sweeps", "seeds, one worker, a point") is None
    assert limit_of("nothing", "x") is None


def test_every_limit_can_be_reached():
    """None stands behind a wider one of its part."""
    for place, (part, pattern, _) in enumerate(LIMITS):
        name = pattern.replace("*", "x")
        assert limit_of(part, name) == LIMITS[place][2], pattern
