"""Sets of half-open intervals [start, end), of whole numbers or of instants: union, difference and what is common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

Limit = TypeVar("Limit", int, datetime)


def union_of(intervals: Iterable[tuple[Limit, Limit]]) -> list[tuple[Limit, Limit]]:
    """The intervals as disjoint ones in order; those that touch are one, empty ones are dropped."""
    merged: list[tuple[Limit, Limit]] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def within(interval: tuple[Limit, Limit], others: Iterable[tuple[Limit, Limit]]) -> list[tuple[Limit, Limit]]:
    """The parts of ``interval`` inside the others, as their `union_of`."""
    return union_of((max(interval[0], start), min(interval[1], end)) for start, end in others)


def without(interval: tuple[Limit, Limit], taken: Iterable[tuple[Limit, Limit]]) -> list[tuple[Limit, Limit]]:
    """The parts of ``interval`` outside ``taken``, which is in order and may overlap."""
    left: list[tuple[Limit, Limit]] = []
    start, end = interval
    for taken_start, taken_end in taken:
        if taken_end <= start:
            continue
        if taken_start >= end:
            break
        if start < taken_start:
            left.append((start, taken_start))
        start = taken_end
    if start < end:
        left.append((start, end))
    return left
