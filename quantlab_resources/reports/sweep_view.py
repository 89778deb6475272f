"""What a report says of a sweep: the chosen parameter set with the evidence for it, the best sets, and heat maps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Any

import pyarrow as pa

from quantlab_core.experiments.chosen_set import chosen_set
from quantlab_resources.reports.headline_figures import Figure, tone
from quantlab_resources.reports.metric_values import MetricsOfKey, value_of
from quantlab_resources.reports.number_text import MISSING, count, number, percent
from quantlab_resources.reports.scope_tables import Cell

SHOWN_SETS = 20
MOST_HEAT_MAPS = 6
MOST_VALUES = 25
"""A key with more values than this (a random search has a new one in each set) makes no heat map."""

_AS_PERCENT = (
    "mean_return", "mean_return_low", "median_return", "win_rate", "total_return", "max_drawdown", "tail_share_top1pct",
)  # fmt: skip
_COLUMNS: Mapping[str, str] = {
    "n_trades": "trades",
    "measure": "",
    "mean_return": "average",
    "mean_return_low": "at least",
    "median_return": "median",
    "win_rate": "gained",
    "profit_factor": "profit factor",
    "total_pnl": "profit",
    "tail_share_top1pct": "top 1\u202f%",
}


@dataclass(frozen=True, slots=True)
class SetRow:
    """One parameter set: its rank, what it changes, and a cell per column."""

    rank: str
    param_id: str
    parameters: str
    is_chosen: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A value as text; ``strength`` is between -1 and 1, None for a combination that was not tried."""

    text: str
    strength: float | None
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class HeatRow:
    """The cells of one value of the vertical key."""

    label: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class ParameterHeatMap:
    """Two keys against each other; ``is_median`` where a cell stands for several sets, which differ in other keys."""

    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    is_median: bool


@dataclass(frozen=True, slots=True)
class SweepView:
    """The section of a report. ``chosen`` is the id of the set that the rest of the report is of."""

    n_sets: int
    n_excluded: int
    chosen: str
    chosen_parameters: str
    chosen_by: str
    dsr: float | None
    pbo: float | None
    figures: tuple[Figure, ...]
    columns: tuple[str, ...]
    rows: tuple[SetRow, ...]
    heat_maps: tuple[ParameterHeatMap, ...]


def sweep_view(sets: pa.Table, overall: MetricsOfKey, *, chosen_by: str = "") -> SweepView:
    """The section for a table with a row per set.

    Its columns are ``param_id``, ``parameters`` (JSON), ``rank``, ``is_chosen``, and metrics; a row without a rank was
    left out. ``overall`` are the metrics of the chosen set, for its ``dsr`` and ``pbo``; ``chosen_by`` names what is in
    the column ``measure``. Columns that are not there are not shown. Raises InvalidInputError unless exactly one set is
    chosen.
    """
    chosen = str(chosen_set(sets)["param_id"])
    chosen_by = chosen_by or ("measure" if "measure" in sets.column_names else "mean_return")
    tried = sorted(
        (row for row in sets.to_pylist() if row["rank"] is not None), key=lambda row: (row["rank"], row["param_id"])
    )
    shown = [row for row in tried if row["rank"] <= SHOWN_SETS or row["is_chosen"]]
    is_shown = {"measure": chosen_by == "measure" or chosen_by not in _COLUMNS}
    named = [name for name in _COLUMNS if name in sets.column_names and is_shown.get(name, True)]
    parameters = {row["param_id"]: json.loads(row["parameters"]) for row in tried}
    return SweepView(
        n_sets=len(tried),
        n_excluded=sets.num_rows - len(tried),
        chosen=chosen,
        chosen_parameters=_told(parameters.get(chosen, {})),
        chosen_by=_words(chosen_by),
        dsr=value_of(overall, "dsr"),
        pbo=value_of(overall, "pbo"),
        figures=tuple(_evidence(len(tried), overall)),
        columns=tuple(_COLUMNS[name] or _words(chosen_by) for name in named),
        rows=tuple(
            SetRow(
                rank=count(row["rank"]),
                param_id=row["param_id"],
                parameters=_told(parameters[row["param_id"]]),
                is_chosen=bool(row["is_chosen"]),
                cells=tuple(_cell(chosen_by if name == "measure" else name, row[name]) for name in named),
            )
            for row in shown
        ),
        heat_maps=tuple(_heat_maps(tried, parameters, chosen_by)),
    )


def _evidence(n_sets: int, overall: MetricsOfKey) -> list[Figure]:
    dsr, pbo = value_of(overall, "dsr"), value_of(overall, "pbo")
    return [
        Figure(
            "Parameter sets tried", count(n_sets), "", "the more are tried, the better the best looks by luck alone"
        ),
        Figure(
            "Deflated Sharpe",
            _probability(dsr),
            "",
            "probability that the chosen set is better than the luck of the best; 95\u202f% is usual",
            "" if dsr is None else "gain" if dsr >= 0.95 else "loss",
        ),
        Figure(
            "Overfitting (PBO)",
            _probability(pbo),
            "",
            "how often the best of one half of the time falls below the middle in the other",
            "" if pbo is None else "gain" if pbo <= 0.2 else "loss",
        ),
        Figure(
            "Carried by the top 1\u202f%",
            percent(value_of(overall, "tail_share_top1pct"), digits=0, signed=False),
            "",
            "share of the chosen set's profit made by its best 1\u202f% of trades",
        ),
    ]


def _probability(value: float | None) -> str:
    return "too few days" if value is None else percent(value, signed=False)


def _heat_maps(
    tried: Sequence[Mapping[str, Any]], parameters: Mapping[str, Mapping[str, Any]], chosen_by: str
) -> list[ParameterHeatMap]:
    """A map for each pair of keys that vary; of one key alone a single row."""
    measure, name = _measure_of(tried, chosen_by)
    axes = {key: values for key, values in _axes(parameters.values()).items() if 1 < len(values) <= MOST_VALUES}
    pairs: list[tuple[str, str | None]] = list(combinations(axes, 2))
    if len(axes) == 1:
        pairs = [(next(iter(axes)), None)]
    return [_heat_map(tried, parameters, axes, across, down, measure, name) for across, down in pairs[:MOST_HEAT_MAPS]]


def _heat_map(
    tried: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Mapping[str, Any]],
    axes: Mapping[str, Sequence[str]],
    across: str,
    down: str | None,
    measure: str,
    name: str,
) -> ParameterHeatMap:
    held: dict[tuple[str, str], list[float]] = {}
    chosen: set[tuple[str, str]] = set()
    n_of: dict[tuple[str, str], int] = {}
    for row in tried:
        own = parameters[row["param_id"]]
        place = (_text(own.get(down)) if down else "", _text(own.get(across)))
        n_of[place] = n_of.get(place, 0) + 1
        if row[measure] is not None:
            held.setdefault(place, []).append(row[measure])
        if row["is_chosen"]:
            chosen.add(place)
    middles = {place: median(values) for place, values in held.items()}
    strength = _strength(list(middles.values()))
    rows = []
    for label in axes[down] if down else [""]:
        cells = []
        for column in axes[across]:
            value = middles.get((label, column))
            cells.append(
                HeatCell(_written(name, value), None if value is None else strength(value), (label, column) in chosen)
            )
        rows.append(HeatRow(label, tuple(cells)))
    is_median = any(times > 1 for times in n_of.values())
    return ParameterHeatMap(_words(across), _words(down or ""), tuple(axes[across]), tuple(rows), is_median)


def _measure_of(tried: Sequence[Mapping[str, Any]], chosen_by: str) -> tuple[str, str]:
    """The column that the maps show, and what is in it: what the set was chosen by, else the mean return."""
    if any(row.get("measure") is not None for row in tried):
        return "measure", chosen_by
    return "mean_return", "mean_return"


def _strength(values: Sequence[float]) -> Callable[[float], float]:
    """Colour of a value: around zero where values lie on both sides of it, else between the lowest and the highest."""
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    if low < 0 < high:
        most = max(-low, high)
        return lambda value: value / most
    sign = -1.0 if high <= 0 and low < 0 else 1.0
    if low == high:
        return lambda _: 0.5 * sign
    return lambda value: sign * (0.1 + 0.9 * ((value - low) if sign > 0 else (high - value)) / (high - low))


def _axes(sets: Any) -> dict[str, list[str]]:
    """The values of each key, as text in their own order: numbers by size, then the rest."""
    given = list(sets)
    keys = sorted({key for one in given for key in one})
    axes: dict[str, list[str]] = {}
    for key in keys:
        values = {_text(one.get(key)): one.get(key) for one in given}
        axes[key] = sorted(values, key=lambda text: _place(values[text], text))
    return axes


def _place(value: Any, text: str) -> tuple[int, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if is_number else (1 if value is not None else -1, 0.0, text)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _told(parameters: Mapping[str, Any]) -> str:
    return (
        ", ".join(f"{_words(key)} {_text(value)}" for key, value in sorted(parameters.items()))
        or "the strategy as it is"
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(name: str, value: float | None) -> Cell:
    has_sign = name in ("mean_return", "mean_return_low", "median_return", "total_return")
    return Cell(_written(name, value), value=value, tone=tone(value) if has_sign else "")


def _written(name: str, value: float | None) -> str:
    if value is None:
        return MISSING
    if name == "n_trades":
        return count(value)
    if name in _AS_PERCENT:
        return percent(value, signed=name not in ("win_rate", "tail_share_top1pct"))
    return number(value, digits=3 if name == "sharpe" else 2)
