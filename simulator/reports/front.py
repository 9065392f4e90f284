"""Which of some points no other equals or beats in every coordinate."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, ...]


def pareto_front(points: Sequence[Point], more: Sequence[bool]) -> list[int]:
    """Positions of the points that no other equals or beats in every coordinate (of equal points the first).

    more   of each coordinate, whether more of it is better
    """
    # Turned so that less is better in all.
    costs = [tuple(-one if is_more else one for one, is_more in zip(point, more, strict=True)) for point in points]
    # By rising cost a point can only be beaten by those before it, and then also by one of those on the front. Costs
    # (1, 5), (2, 3), (3, 4): the second beats the third. Of equal points the first in order stays.
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda place: costs[place]):
        if not any(all(a <= b for a, b in zip(costs[other], costs[place], strict=True)) for other in front):
            front.append(place)
    return front
