"""The canonical alerts of a day: of every token that a message called, the first version that is known."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.alerts.artifact_types import ALERTS


def alerts_of_day(events: pa.Table) -> pa.Table:
    """One ``alerts_v1`` row per (chain, token, chat, message) of ``events`` (``alerts_event_v1`` rows, any order).

    The first version is the unedited one, else the one that was edited first; between equal times the smaller
    content id decides, so that the result does not depend on row order.
    """
    never_edited_first = events.append_column("_is_edited", pc.is_valid(events["edited_ts"]))
    keys = ("alert_id", "_is_edited", "edited_ts", "content_id")
    ordered = never_edited_first.sort_by([(name, "ascending") for name in keys]).combine_chunks()
    ids = ordered["alert_id"].to_pylist()
    first = [index for index, alert_id in enumerate(ids) if index == 0 or alert_id != ids[index - 1]]
    chosen = ordered.take(pa.array(first, pa.int64())).rename_columns(
        ["alert_ts_utc" if name == "event_ts_utc" else name for name in ordered.column_names]
    )
    alerts = chosen.select(ALERTS.schema.names).cast(ALERTS.schema)
    return alerts.sort_by([(name, "ascending") for name in ALERTS.sort_key])
