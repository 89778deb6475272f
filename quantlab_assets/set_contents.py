"""What frozen sets hold: the rows of their alerts, the candles of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.registry import artifact_type
from quantlab_core.candles.artifact_types import OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.token_series import merge_slices
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token

ReadTable = Callable[[Artifact], pa.Table]

ALERT_MEMBERS = frozenset({ALERTS.name})
CANDLE_MEMBERS = frozenset({OHLCV_SLICE.name, TOKEN_CANDLES.name})
"""Artifact types that a set of alerts or of candles may hold."""


def set_members(store: ArtifactStore, set_id: str) -> list[Artifact]:
    """The members of a frozen set, in the order of the set. Raises ArtifactNotFoundError, ArtifactDamagedError."""
    ids = store.read(set_id).column("artifact_id").to_pylist()
    return [store.get_artifact(artifact_id) for artifact_id in ids]


def alerts_of(read: ReadTable, members: Sequence[Artifact]) -> pa.Table:
    """The rows of all alerts artifacts among ``members``, in the schema of alerts_v1.

    Raises InvalidInputError for a member that holds no alerts.
    """
    require_members(members, ALERT_MEMBERS)
    schema = ALERTS.schema.remove_metadata()
    return pa.concat_tables([schema.empty_table(), *(read(member).cast(schema) for member in members)])


def candles_of(read: ReadTable, members: Sequence[Artifact], resolution: str = "1m") -> dict[Token, pa.Table]:
    """One series per token from slices and token candles among ``members``; several of one token are merged.

    Raises InvalidInputError for a member that holds no candles.
    """
    require_members(members, CANDLE_MEMBERS)
    tables: dict[Token, list[pa.Table]] = {}
    for member in members:
        parts = parse_key(artifact_type(member.artifact_type, member.schema_version), member.logical_key)
        if parts["res"] == resolution:
            tables.setdefault(Token.from_key_parts(parts), []).append(read(member))
    return {token: parts[0] if len(parts) == 1 else merge_slices(parts) for token, parts in sorted(tables.items())}


def require_members(members: Sequence[Artifact], types: frozenset[str]) -> None:
    """Raise InvalidInputError when a member is of a type that the set cannot hold."""
    for member in members:
        if member.artifact_type not in types:
            raise InvalidInputError(
                f"{member.artifact_id} is a {member.artifact_type}; "
                f"expected {' or '.join(sorted(types))}, or a frozen set of them"
            )
