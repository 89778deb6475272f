"""Coverage of many alerts in few numbers: per group and horizon counts, shares and medians.

Over the alerts of a group whose horizon is over (the *judged* ones): the share of a verdict = its alerts / judged; the
medians of span ratio over all judged, of activity ratio and largest silence over those with a span, for without one
nothing is known of the token's trading. The median of an even number of values is the mean of the middle two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.arrow_columns import (
    Floats,
    Integers,
    Mask,
    compute,
    floats,
    int32s,
    is_valid,
    microseconds,
    one_array,
)
from quantlab_core.candles.epoch_time import DAY_US
from quantlab_core.coverage.artifact_types import COVERAGE_SUMMARY
from quantlab_core.coverage.thresholds import PENDING, VERDICTS


def summarize(coverage: pa.Table, as_of_text: str) -> pa.Table:
    """``coverage_summary_v1`` of an ``alert_forward_coverage_v1``: its schema, order and attributes."""
    days, chains, horizons, group = _groups(coverage)
    columns: list[pa.Array[Any]] = [
        pa.array(days.astype(np.int32)).cast(pa.date32()),
        pa.array(chains, pa.string()),
        int32s(horizons),
    ]
    attributes = attributes_of(coverage)
    return with_attributes(
        pa.table([*columns, *_figures(coverage, group, len(days))], schema=COVERAGE_SUMMARY.schema),
        {"good": attributes["good"], "partial": attributes["partial"], "as_of": as_of_text},
    )


def totals(coverage: pa.Table) -> pa.Table:
    """The same figures over all days and chains together: ``horizon_h`` and the columns after it, a row per horizon."""
    horizons, group = np.unique(coverage["horizon_h"].to_numpy(), return_inverse=True)
    columns = [int32s(horizons), *_figures(coverage, group.astype(np.int64), len(horizons))]
    names = COVERAGE_SUMMARY.schema.names
    return pa.table(columns, names=names[names.index("horizon_h") :])


def _figures(coverage: pa.Table, group: Integers, number: int) -> list[pa.Array[Any]]:
    """The columns from ``alerts`` on, of ``number`` groups; ``group`` has the position of each row's."""
    verdict = np.asarray(one_array(coverage["verdict"]).to_numpy(zero_copy_only=False), dtype=np.str_)
    counts = {name: _counted(group, verdict == name, number) for name in (*VERDICTS, PENDING)}
    judged = sum((counts[name] for name in VERDICTS), np.zeros(number, dtype=np.int64))
    is_judged = verdict != PENDING
    is_spanned = is_judged & is_valid(coverage["activity_ratio"])
    return [
        *(int32s(values) for values in (judged + counts[PENDING], *counts.values())),
        *(
            pa.array(np.divide(counts[name], judged, out=np.zeros(len(judged)), where=judged > 0), mask=judged == 0)
            for name in VERDICTS
        ),
        _medians(group, floats(coverage["span_ratio"]), is_judged, number),
        _medians(group, floats(coverage["activity_ratio"]), is_spanned, number),
        _medians(group, floats(coverage["largest_silence_minutes"]), is_spanned, number),
    ]


def _groups(coverage: pa.Table) -> tuple[Integers, list[str], Integers, Integers]:
    """Day (since 1970), chain and horizon of each group in order, and per row the position of its group."""
    day = microseconds(coverage["alert_ts_utc"]) // DAY_US
    horizon = np.asarray(coverage["horizon_h"].to_numpy(), dtype=np.int64)
    encoded = compute.dictionary_encode(one_array(coverage["chain"]))
    names = sorted(encoded.dictionary.to_pylist())
    rank = np.array([names.index(name) for name in encoded.dictionary.to_pylist()], dtype=np.int64)
    chain = rank[np.asarray(encoded.indices.to_numpy(), dtype=np.int64)]
    found, group = np.unique(np.stack((day, chain, horizon)), axis=1, return_inverse=True)
    return found[0], [names[position] for position in found[1]], found[2], group.ravel().astype(np.int64)


def _counted(group: Integers, mask: Mask, groups: int) -> Integers:
    return np.bincount(group[mask], minlength=groups).astype(np.int64)


def _medians(group: Integers, values: Floats, mask: Mask, groups: int) -> pa.Array[Any]:
    """Per group the median of the values where ``mask`` holds; null for a group without one."""
    chosen_group, chosen = group[mask], values[mask]
    ordered = chosen[np.lexsort((chosen, chosen_group))]
    count = np.bincount(chosen_group, minlength=groups)
    first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(count)[:-1]))
    has_any = count > 0
    medians = np.zeros(groups)
    low, high = (first + (count - 1) // 2)[has_any], (first + count // 2)[has_any]
    medians[has_any] = (ordered[low] + ordered[high]) / 2
    return pa.array(medians, mask=~has_any)
