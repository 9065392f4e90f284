"""`Price`, which reports hold as well and which therefore stands with them."""

from simulator.reports.price import NOTHING, Price

__all__ = ["NOTHING", "Price"]
