"""What a slice that was fetched again changed, row by row."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.candles.artifact_types import SLICE_REVISIONS
from quantlab_core.candles.slice_revision import RevisionCounts, revision_counts, slice_revision
from quantlab_tests.core.candles.candle_tables import candle, minute, series

VALUES = ("open", "high", "low", "close", "volume")


def revision(old: pa.Table, new: pa.Table) -> pa.Table:
    return slice_revision(old, new, old_id="old", new_id="new")


def test_candles_that_came_went_and_changed_are_told_with_both_values() -> None:
    """Minute 1 stays, 2 loses its candle, 3 gets another close and volume, 4 is new."""
    old = series([candle(1), candle(2), candle(3, volume=19.9)])
    new = series([candle(1), candle(3, volume=51918.0, close=2.5), candle(4, volume=None)])
    found = revision(old, new)
    assert to_normal_form(found, SLICE_REVISIONS).equals(found, check_metadata=True)
    before = {"old_open": 2.0, "old_high": 4.0, "old_low": 1.0, "old_close": 3.0}
    since = {"new_open": 2.0, "new_high": 4.0, "new_low": 1.0, "new_close": 3.0}
    no_old, no_new = dict.fromkeys([*before, "old_volume"]), dict.fromkeys([*since, "new_volume"])
    assert found.to_pylist() == [
        {"ts": minute(2), "change": "removed", **before, "old_volume": 10.0, **no_new},
        {
            "ts": minute(3), "change": "changed", **before, "old_volume": 19.9, **since, "new_close": 2.5,
            "new_volume": 51918.0,
        },
        {"ts": minute(4), "change": "added", **no_old, **since, "new_volume": None},
    ]  # fmt: skip
    assert revision_counts(found) == RevisionCounts(added=1, removed=1, changed=1)


def test_a_slice_that_only_states_other_facts_has_no_rows_but_the_facts() -> None:
    found = revision(series([candle(1)], [(0, 5)]), series([candle(1)], [(0, 9)], source="clickhouse"))
    assert found.num_rows == 0
    stated = attributes_of(found)
    assert (stated["superseded_id"], stated["slice_id"]) == ("old", "new")
    assert json.loads(stated["old_facts"]) == {
        "source": "file", "source_spans": '[["2025-05-01T00:00:00Z","2025-05-01T00:05:00Z"]]',
    }  # fmt: skip
    assert json.loads(stated["new_facts"])["source"] == "clickhouse"
    assert revision_counts(found) == RevisionCounts()


def test_a_volume_that_stays_unknown_is_no_change_and_one_that_becomes_known_is() -> None:
    unknown, known = series([candle(1, volume=None)]), series([candle(1, volume=0.0)])
    assert revision(unknown, unknown).num_rows == 0
    assert revision(unknown, known)["change"].to_pylist() == ["changed"]
    assert revision(known, unknown)["new_volume"].to_pylist() == [None]


def applied(candles: dict[Any, Any], found: pa.Table, new: str, old: str) -> dict[Any, Any]:
    """The candles after a revision, done by hand; every row must find the candle that it says was there."""
    after = dict(candles)
    for row in found.to_pylist():
        before, since = (tuple(row[f"{which}_{name}"] for name in VALUES) for which in (old, new))
        was_there, is_there = before[0] is not None, since[0] is not None
        assert (row["ts"] in after) == was_there
        if was_there:
            assert after.pop(row["ts"]) == before
        if is_there:
            after[row["ts"]] = since
    return after


def by_time(table: pa.Table) -> dict[Any, Any]:
    return {row["ts"]: tuple(row[name] for name in VALUES) for row in table.to_pylist()}


SLICE = st.builds(
    series,
    st.lists(
        st.builds(
            candle, st.integers(0, 12), volume=st.sampled_from([None, 0.0, 1.0]), close=st.sampled_from([2.0, 3.0])
        ),
        unique_by=lambda row: row["ts"],
        max_size=10,
    ),
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(SLICE, SLICE)
def test_a_revision_leads_from_the_old_candles_to_the_new_ones_and_back(old: pa.Table, new: pa.Table) -> None:
    found = revision(old, new)
    assert applied(by_time(old), found, "new", "old") == by_time(new)
    assert applied(by_time(new), found, "old", "new") == by_time(old)
    counts = revision_counts(found)
    assert counts.added - counts.removed == new.num_rows - old.num_rows
    assert counts.added + counts.removed + counts.changed == found.num_rows
    assert revision(old, old).num_rows == 0
