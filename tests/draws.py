"""How many cases a property draws where its profile's number is more than it needs."""

from typing import TypeVar

from hypothesis import settings

_Test = TypeVar("_Test")
_LEAST = 6  # what `make test` draws


def quarter_of_cases(test: _Test) -> _Test:
    """A property with a quarter of its profile's cases, and no fewer than `make test` draws.

    For counts of actions: they are sums over steps whose cycles another twin compares at length, and their walk is slow.
    """
    assert settings.default is not None
    return settings(max_examples=max(_LEAST, settings.default.max_examples // 4))(test)
