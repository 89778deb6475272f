"""What the frozen sets of alerts and of candles hold: which artifacts have a place in them, and the alerts of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.candles.artifact_types import OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.errors import InvalidInputError

ReadTable = Callable[[Artifact], pa.Table]
"""Gives a member's table in the newest version of its type."""

ALERT_MEMBERS = frozenset({ALERTS.name})
CANDLE_MEMBERS = frozenset({OHLCV_SLICE.name, TOKEN_CANDLES.name})
"""Artifact types that a set of alerts or of candles may hold."""


def alerts_of(read: ReadTable, members: Sequence[Artifact]) -> pa.Table:
    """The rows of all alerts artifacts among ``members``, in the newest schema of alerts_v1.

    Raises InvalidInputError for a member that holds no alerts.
    """
    require_members(members, ALERT_MEMBERS)
    schema = ALERTS.schema.remove_metadata()
    return pa.concat_tables(
        [schema.empty_table(), *(read(member).select(schema.names).cast(schema) for member in members)]
    )


def require_members(members: Sequence[Artifact], types: frozenset[str]) -> None:
    """Raise InvalidInputError when a member is of a type or version that the set cannot hold, or has no key of it."""
    for member in members:
        if member.artifact_type not in types:
            raise InvalidInputError(
                f"{member.artifact_id} is a {member.artifact_type}; "
                f"expected {' or '.join(sorted(types))}, or a frozen set of them"
            )
        if key_parts_of(member) is None:
            raise InvalidInputError(
                f"{member.artifact_id}: {member.logical_key!r} is no key of {member.artifact_type} version "
                f"{member.schema_version}, so nobody knows what it is of; leave it out"
            )
