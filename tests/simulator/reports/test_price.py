"""Prices and their sums."""

from simulator.reports.price import NOTHING, Price


def test_a_price_among_others_and_alone():
    assert Price.among(2.0, 5.0, 1.0) == Price(2.0, 1.0, 5.0)
    assert Price.among(2.0) == Price.exact(2.0)


def test_sums_one_by_one_and_at_once():
    prices = [Price(1.0, 0.5, 2.0), Price(3.0, 2.5, 3.0), Price(0.0, 0.0, 7.0)]
    assert Price.sum(prices) == sum(prices, NOTHING) == Price(4.0, 3.0, 12.0)
    assert Price.sum([]) == NOTHING
    assert Price.sum([price.times(2) for price in prices]) == Price.sum(prices).times(2)
