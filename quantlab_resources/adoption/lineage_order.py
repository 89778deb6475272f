"""An order in which inputs come before what was made from them, for lineage of others that may run in circles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def inputs_first(rows: Sequence[int], edges: Iterable[tuple[int, int]]) -> tuple[list[int], set[tuple[int, int]]]:
    """``rows`` so that every input stands before what was made from it, and the edges that close a circle.

    An edge is (made, input). Rows that lineage does not order keep theirs. Edges to others than ``rows`` are passed
    over. The result depends on the order of ``rows`` only.
    """
    place = {row: number for number, row in enumerate(rows)}
    inputs: dict[int, list[int]] = {}
    for made, source in edges:
        if made in place and source in place:
            inputs.setdefault(made, []).append(source)
    ordered: list[int] = []
    done: set[int] = set()
    closing: set[tuple[int, int]] = set()
    for row in rows:
        if row not in done:
            _visit(row, inputs, place, ordered, done, closing)
    return ordered, closing


def _visit(
    start: int,
    inputs: dict[int, list[int]],
    place: dict[int, int],
    ordered: list[int],
    done: set[int],
    closing: set[tuple[int, int]],
) -> None:
    """Depth first without recursion: lineage can be longer than Python's stack."""
    under_way = {start}
    waiting = [(start, iter(sorted(inputs.get(start, ()), key=place.__getitem__)))]
    while waiting:
        row, rest = waiting[-1]
        for source in rest:
            if source in under_way:
                closing.add((row, source))
            elif source not in done:
                under_way.add(source)
                waiting.append((source, iter(sorted(inputs.get(source, ()), key=place.__getitem__))))
                break
        else:
            waiting.pop()
            under_way.discard(row)
            done.add(row)
            ordered.append(row)
