"""Calls that the earlier store knew, beside those that the exports tell of: none of them is lost, none counts twice.

A call is (chat, message, token). What an export tells of a call wins over what the earlier store kept of it, since it
has the message itself. Of the earlier store's two records, events come before alerts, and a chain that is known before
one that is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERT_EVENTS
from quantlab_core.token import EVM_UNKNOWN

ADOPTED_VERSION = "adopted"
"""``content_id`` of an event that is known from an adopted alert: which version of the message it was, nobody knows."""

CallKey = tuple[int, int, str]
"""Chat, message and token (or the address as it was written)."""
_KEY = ("alert_chat_id", "alert_message_id", "mint")
_WRITTEN = ("alert_chat_id", "alert_message_id", "called_address")


def with_adopted(events: pa.Table, adopted_events: Sequence[pa.Table], adopted_alerts: Sequence[pa.Table]) -> pa.Table:
    """``events`` (``alerts_event_v1`` rows of one day) and every adopted call that they do not cover.

    ``adopted_events`` are in the newest version of ``alerts_event_v1``, ``adopted_alerts`` in that of ``alerts_v1``.
    """
    sources = [*adopted_events, *(_as_events(table) for table in adopted_alerts)]
    rank = [0] * len(adopted_events) + [1] * len(adopted_alerts)
    covered = covered_calls([events])
    best: dict[CallKey, tuple[bool, int, str]] = {}
    for source, table in zip(rank, sources, strict=True):
        for key, chain in zip(_keys(table, _KEY), table["chain"].to_pylist(), strict=True):
            claim = (chain == EVM_UNKNOWN, source, str(chain))
            best[key] = min(best.get(key, claim), claim)
    kept = [_plain(events)]
    seen: set[tuple[object, ...]] = set()
    for source, table in zip(rank, sources, strict=True):
        rows = []
        versions = zip(_keys(table, _KEY), table["chain"].to_pylist(), table["content_id"].to_pylist(), strict=True)
        for row, (key, chain, version) in enumerate(versions):
            is_best = best[key] == (chain == EVM_UNKNOWN, source, str(chain))
            if is_best and key not in covered and (key, version) not in seen:
                seen.add((key, version))
                rows.append(row)
        kept.append(_plain(table.take(pa.array(rows, pa.int64()))))
    merged = pa.concat_tables(kept).sort_by([(name, "ascending") for name in (*ALERT_EVENTS.sort_key, "chain")])
    return pa.table(merged.columns, schema=ALERT_EVENTS.schema)


def covered_calls(tables: Iterable[pa.Table]) -> set[CallKey]:
    """The calls in rows of events or alerts, each by its token and by the address as it was written."""
    return {key for table in tables for columns in (_KEY, _WRITTEN) for key in _keys(table, columns)}


def calls_of(tables: Iterable[pa.Table]) -> set[CallKey]:
    """The calls in rows of events or alerts, by token."""
    return {key for table in tables for key in _keys(table, _KEY)}


def _keys(table: pa.Table, columns: Sequence[str]) -> list[CallKey]:
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def _as_events(alerts: pa.Table) -> pa.Table:
    named = alerts.rename_columns(["event_ts_utc" if name == "alert_ts_utc" else name for name in alerts.column_names])
    return named.append_column("content_id", pa.repeat(ADOPTED_VERSION, alerts.num_rows))


def _plain(table: pa.Table) -> pa.Table:
    """With the columns of events, without what would keep two tables from being put together."""
    bare = pa.schema([pa.field(field.name, field.type) for field in ALERT_EVENTS.schema])
    return table.select(bare.names).cast(bare)
