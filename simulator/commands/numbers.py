"""Kinds of numbers that options take."""

from __future__ import annotations

import math
from typing import Any

import click


class RealRange(click.FloatRange):
    """A range of click's without what is no number: nan lies beyond no bound, as it is greater and less than none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Ends the command where it is none or outside the range."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number
