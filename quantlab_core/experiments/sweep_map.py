"""A sweep of two keys as a map: which corner is good, and whether the best set stands on a plateau or on a needle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quantlab_core.experiments.sweep_config import ordered_values


@dataclass(frozen=True, slots=True)
class SweepMap:
    """``values[row][column]`` is the measure of the set with these values of the two keys.

    None where the set was left out, has no value or does not exist. ``chosen`` is (row, column).
    """

    measure: str
    row_key: str
    column_key: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    chosen: tuple[int, int]


def sweep_map(parameter_sets: pa.Table) -> SweepMap | None:
    """The map of a table of ``experiment_parameter_sets``; None unless exactly two keys vary in it.

    The key with fewer values goes down, the other across.
    """
    sets = parameter_sets.select(["parameters", "measure", "is_chosen", "choose_by"]).to_pylist()
    changes: list[dict[str, Any]] = [json.loads(one["parameters"]) for one in sets]
    values_of = {
        key: ordered_values({_label(change.get(key)): change.get(key) for change in changes}.values())
        for key in sorted({key for change in changes for key in change})
    }
    varied = sorted((key for key, values in values_of.items() if len(values) > 1), key=lambda key: len(values_of[key]))
    if len(varied) != 2:
        return None
    down, across = varied
    rows, columns = (tuple(map(_label, values_of[key])) for key in (down, across))
    cells: dict[tuple[int, int], float | None] = {}
    chosen = (0, 0)
    for one, change in zip(sets, changes, strict=True):
        place = rows.index(_label(change.get(down))), columns.index(_label(change.get(across)))
        cells[place] = one["measure"]
        chosen = place if one["is_chosen"] else chosen
    values = tuple(tuple(cells.get((row, column)) for column in range(len(columns))) for row in range(len(rows)))
    return SweepMap(str(sets[0]["choose_by"]), down, across, rows, columns, values, chosen)


def _label(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
