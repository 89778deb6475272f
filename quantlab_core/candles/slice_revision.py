"""What a slice that was fetched again changed: its row-level difference to the slice that it took the place of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.arrow_columns import Floats, Integers, compute, floats, instants, microseconds, row_positions
from quantlab_core.candles.artifact_types import SLICE_REVISIONS
from quantlab_core.candles.validation import CANDLE_VALUES

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_FACTS = ("source", "source_spans", "price_unit", "volume_unit")


@dataclass(frozen=True, slots=True)
class RevisionCounts:
    """Candles that came, went, or have other values now."""

    added: int = 0
    removed: int = 0
    changed: int = 0

    def __add__(self, other: RevisionCounts) -> RevisionCounts:
        return RevisionCounts(self.added + other.added, self.removed + other.removed, self.changed + other.changed)


def slice_revision(old: pa.Table, new: pa.Table, *, old_id: str, new_id: str) -> pa.Table:
    """The candles in which two slices of one key differ, as ``slice_revisions_v1`` with its attributes.

    ``old`` and ``new`` have unique ``ts``. A volume that is unknown in both is the same. Slices that differ in what
    they state of themselves only (a longer source span, say) give no row, but other facts.
    """
    old, new = old.sort_by("ts"), new.sort_by("ts")
    stamps = np.union1d(microseconds(old["ts"]), microseconds(new["ts"])).astype(np.int64)
    before, since = _places(stamps, old), _places(stamps, new)
    was, is_ = before >= 0, since >= 0
    differs = np.zeros(len(stamps), dtype=np.bool_)
    columns = {}
    for name in CANDLE_VALUES:
        old_values, new_values = _at(old, name, before), _at(new, name, since)
        columns[f"old_{name}"], columns[f"new_{name}"] = old_values, new_values
        differs |= ~((old_values == new_values) | (np.isnan(old_values) & np.isnan(new_values)))
    rows = row_positions(differs)
    change = np.select([~was[rows], ~is_[rows]], [ADDED, REMOVED], default=CHANGED)
    values = {name: pa.array(column[rows], mask=np.isnan(column[rows])) for name, column in columns.items()}
    table = pa.table(
        {
            "ts": instants(stamps[rows]),
            "change": pa.array(change.tolist(), pa.string()),
            **values,
        },
        schema=SLICE_REVISIONS.schema,
    )
    return with_attributes(
        table,
        {
            "slice_id": new_id,
            "superseded_id": old_id,
            "new_facts": _facts_unlike(attributes_of(new), attributes_of(old)),
            "old_facts": _facts_unlike(attributes_of(old), attributes_of(new)),
        },
    )


def revision_counts(revision: pa.Table) -> RevisionCounts:
    """How many candles a revision added, removed and changed."""
    counts = {row["values"]: row["counts"] for row in compute.value_counts(revision["change"]).to_pylist()}
    return RevisionCounts(counts.get(ADDED, 0), counts.get(REMOVED, 0), counts.get(CHANGED, 0))


def _places(stamps: Integers, table: pa.Table) -> Integers:
    """Per stamp the row of ``table`` that has it, or -1."""
    places = np.full(len(stamps), -1, dtype=np.int64)
    places[np.searchsorted(stamps, microseconds(table["ts"]))] = np.arange(table.num_rows)
    return places


def _at(table: pa.Table, name: str, places: Integers) -> Floats:
    """Values at these rows; NaN where there is none."""
    return np.append(floats(table[name]), np.nan)[places]


def _facts_unlike(facts: Mapping[str, str], others: Mapping[str, str]) -> str:
    unlike = {name: facts.get(name) for name in _FACTS if facts.get(name) != others.get(name)}
    return json.dumps(unlike, sort_keys=True)
