"""Inputs come first, circles are cut, and nothing depends on the order in which edges are given."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_resources.adoption.lineage_order import inputs_first

EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


def test_inputs_stand_before_what_was_made_from_them() -> None:
    assert inputs_first([1, 2, 3], [(1, 2), (2, 3), (1, 99)]) == ([3, 2, 1], set())
    assert inputs_first([1, 2], [(1, 2), (2, 1), (1, 1)]) == ([2, 1], {(2, 1), (1, 1)})
    assert inputs_first([], [(1, 2)]) == ([], set())


def test_lineage_may_be_longer_than_the_stack() -> None:
    order, closing = inputs_first(range(20_000), [(number, number + 1) for number in range(19_999)])
    assert (order[0], order[-1], closing) == (19_999, 0, set())


@settings(deadline=None, max_examples=150, derandomize=True)
@given(EDGES, st.randoms(use_true_random=False))
def test_without_the_closing_edges_every_input_comes_first(edges: list[tuple[int, int]], chance: random.Random) -> None:
    rows = list(range(10))
    order, closing = inputs_first(rows, edges)
    assert sorted(order) == rows
    place = {row: number for number, row in enumerate(order)}
    assert all(place[source] < place[made] for made, source in set(edges) - closing)
    shuffled = list(edges)
    chance.shuffle(shuffled)
    assert inputs_first(rows, shuffled) == (order, closing)
