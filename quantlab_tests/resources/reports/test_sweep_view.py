"""The section of a sweep: ranks, the evidence for the chosen set, and heat maps worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_resources.reports.metric_values import MetricValue
from quantlab_resources.reports.sweep_view import SHOWN_SETS, sweep_view


def sets(*measures: tuple[dict[str, Any], float | None]) -> pa.Table:
    """Sets of (parameters, mean return), best first; None was left out. The first is the chosen one."""
    rows = [
        {"param_id": f"p{number}", "parameters": json.dumps(parameters), "rank": None if value is None else number + 1,
         "is_chosen": number == 0, "n_trades": None if value is None else 10, "mean_return": value}
        for number, (parameters, value) in enumerate(measures)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


GRID = sets(
    ({"stop": 0.2, "target": 10}, 0.4),
    ({"stop": 0.1, "target": 10}, 0.2),
    ({"stop": 0.1, "target": 2}, -0.1),
    ({"stop": 0.2, "target": 2}, None),
)


def test_a_grid_of_two_keys_is_a_map_with_its_values_in_order() -> None:
    (found,) = sweep_view(GRID, {}).heat_maps
    assert (found.across, found.down, found.is_median) == ("stop", "target", False)
    assert found.columns == ("0.1", "0.2")
    assert [row.label for row in found.rows] == ["2", "10"], "by size, not as text"
    assert [[cell.strength for cell in row.cells] for row in found.rows] == [[-0.25, None], [0.5, 1.0]]
    assert [[cell.is_chosen for cell in row.cells] for row in found.rows] == [[False, False], [False, True]]
    assert found.rows[0].cells[1].text == "–", "a set that was left out"


def test_further_keys_are_shown_by_the_median() -> None:
    cube = sets(*(({"a": a, "b": b, "c": c}, 1.0 + c * 10) for a in (1, 2) for b in (1, 2) for c in (1, 2, 9)))
    maps = sweep_view(cube, {}).heat_maps
    assert [(one.across, one.down) for one in maps] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(one.is_median for one in maps)
    assert maps[0].rows[0].cells[0].text == "+2,100.0\u202f%", "the median of 11, 21 and 91"


def test_one_key_is_one_row_and_a_key_with_too_many_values_none() -> None:
    (found,) = sweep_view(sets(({"a": 1}, 0.1), ({"a": 2}, 0.3)), {}).heat_maps
    assert (found.down, len(found.rows)) == ("", 1)
    drawn = sets(*(({"a": number / 7, "b": number / 3}, 0.1) for number in range(30)))
    assert sweep_view(drawn, {}).heat_maps == ()


def test_the_best_are_listed_with_what_they_change() -> None:
    view = sweep_view(GRID, {})
    assert (view.n_sets, view.n_excluded, view.chosen_parameters) == (3, 1, "stop 0.2, target 10")
    assert view.columns == ("trades", "average")
    assert [(row.rank, row.cells[1].text, row.is_chosen) for row in view.rows] == [
        ("1", "+40.0\u202f%", True), ("2", "+20.0\u202f%", False), ("3", "−10.0\u202f%", False),
    ]  # fmt: skip
    long = sweep_view(sets(*(({"a": number}, -number) for number in range(100))), {})
    assert len(long.rows) == SHOWN_SETS


def test_the_evidence_is_that_of_the_chosen_set() -> None:
    view = sweep_view(GRID, {"dsr": MetricValue(0.97), "pbo": MetricValue(0.4)})
    assert (view.dsr, view.pbo) == (0.97, 0.4)
    assert [(one.value, one.tone) for one in view.figures[:3]] == [
        ("3", ""),
        ("97.0\u202f%", "gain"),
        ("40.0\u202f%", "loss"),
    ]
    assert sweep_view(GRID, {}).figures[1].value == "too few days"


def test_what_the_set_was_chosen_by_is_named_and_drawn() -> None:
    table = GRID.append_column("measure", pa.array([3.0, 2.0, 1.0, None]))
    view = sweep_view(table, {}, chosen_by="sharpe")
    assert view.columns == ("trades", "sharpe", "average")
    assert view.heat_maps[0].rows[1].cells[1].text == "3.000"


@pytest.mark.parametrize("chosen", [[False] * 4, [True, True, False, False]])
def test_there_is_exactly_one_chosen_set(chosen: list[bool]) -> None:
    table = GRID.set_column(GRID.schema.get_field_index("is_chosen"), "is_chosen", pa.array(chosen))
    with pytest.raises(InvalidInputError, match=f"{sum(chosen)} of 4 are the chosen one"):
        sweep_view(table, {})
