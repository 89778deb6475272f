"""The current alerts of a lake as a table: what `Lab.alerts` hands out."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.errors import InvalidInputError
from quantlab_resources.given_instants import Instant, given_instant
from quantlab_resources.plain_tables import plain_schema, plain_table


def current_alerts(store: ArtifactStore, first: Instant, last: Instant, chain: str | None = None) -> pa.Table:
    """The current alerts from the UTC day ``first`` to the UTC day ``last``, both inclusive, sorted by time.

    The newest schema of ``alerts_v1``; a day without artifacts gives no rows. Raises InvalidInputError for a limit that
    is no day or a range that runs backwards, and what reading an artifact raises.
    """
    first_day, last_day = given_instant("from", first).date(), given_instant("to", last).date()
    if first_day > last_day:
        raise InvalidInputError(f"from {first_day} is after to {last_day}; no day lies between them")
    tables = []
    for head in store.heads(ALERTS.name, _common_prefix(f"day={first_day}", f"day={last_day}")):
        parts = key_parts_of(head)
        if parts is None or not first_day.isoformat() <= parts["day"] <= last_day.isoformat():
            continue
        if head.row_count and chain in (None, parts["chain"]):
            tables.append(plain_table(read_newest(store, head), ALERTS.schema))
    found = pa.concat_tables([plain_schema(ALERTS.schema).empty_table(), *tables])
    return found.sort_by([(name, "ascending") for name in ALERTS.sort_key])


def _common_prefix(first: str, last: str) -> str:
    equal = 0
    while equal < len(first) and first[equal] == last[equal]:
        equal += 1
    return first[:equal]
