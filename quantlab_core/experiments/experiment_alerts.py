"""The alerts of an experiment as columns: which lie in its range, which are left out, and when each can be traded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.candles.epoch_time import epoch_microseconds
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.alert_range import AlertRange
from quantlab_core.experiments.checked_config import CheckedConfig
from quantlab_core.experiments.selection import Selection
from quantlab_core.simulation.outcome_codes import (
    CALLER_NOT_SELECTED,
    CHAIN_NOT_SELECTED,
    EDITED_CALL,
    NO_REASON,
)
from quantlab_core.simulation.trade_columns import AlertColumns, Codes, Flags, Whole
from quantlab_core.token import EVM_CHAINS, Token


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentAlerts:
    """The alerts of the range by time and id. ``exclusion`` is why each is left out (`NO_REASON`: it is traded).

    Alert ``i`` is of ``tokens[token_index[i]]`` and can be acted on from ``tradable_from_ms[i]``, epoch milliseconds
    UTC. ``n_outside_range`` counts the alerts that lie outside, ``n_edits_unknown`` those of the range of which nobody
    knows whether they were edited.
    """

    columns: AlertColumns
    exclusion: Codes
    tokens: tuple[Token, ...]
    token_index: Whole
    tradable_from_ms: Whole
    n_outside_range: int
    n_edits_unknown: int

    def __len__(self) -> int:
        return len(self.exclusion)

    @property
    def wanted_tokens(self) -> list[Token]:
        """The tokens of the alerts that are traded, ascending."""
        return sorted(self.tokens[index] for index in np.unique(self.token_index[self.exclusion == NO_REASON]))


def experiment_alerts(alerts: pa.Table, checked: CheckedConfig) -> ExperimentAlerts:
    """The alerts of the alerts schema that an experiment looks at; their order does not matter.

    Raises InvalidInputError for an alert that occurs twice.
    """
    columns: dict[str, Any] = {
        "alert_id": alerts["alert_id"],
        "chain": alerts["chain"],
        "mint": alerts["mint"],
        "caller": alerts["caller_name_norm"],
        "is_proven": alerts["token_proven_at_call"].fill_null(pa.scalar(False)),
        "alert_ts_us": pc.cast(alerts["alert_ts_utc"], pa.int64()),
        "edited_ts_us": pc.cast(alerts["edited_ts"], pa.int64()),
    }
    listed = pa.table(columns).combine_chunks()
    # `pc.sort_indices` puts texts in the order of their UTF-8 bytes, which is Python's order of characters.
    order = pc.sort_indices(listed, sort_keys=[("alert_ts_us", "ascending"), ("alert_id", "ascending")])
    listed = listed.take(order)
    _refuse_repeats(listed)
    in_range = _in_range(_whole(listed["alert_ts_us"]), checked.alert_range)
    within = listed.filter(pa.array(in_range)).combine_chunks()
    is_proven = np.asarray(within["is_proven"].to_numpy(), dtype=np.bool_)
    is_edited = np.asarray(within["edited_ts_us"].is_valid().to_numpy(), dtype=np.bool_)
    alert_ts_us, edited_ts_us = _whole(within["alert_ts_us"]), _whole(within["edited_ts_us"].fill_null(pa.scalar(0)))
    selection = checked.params.selection
    is_late = is_edited & ~is_proven & (selection.edited == "lag")
    tokens, token_index = _tokens(within)
    return ExperimentAlerts(
        columns=AlertColumns(
            alert_id=_array(within["alert_id"]),
            address=pa.array([token.address for token in tokens], pa.string()).take(token_index),
            chain=_array(within["chain"]),
            caller=_array(within["caller"]),
            alert_ts_us=alert_ts_us,
        ),
        exclusion=_exclusions(within, selection, is_proven, is_edited),
        tokens=tokens,
        token_index=token_index,
        # Whole milliseconds: candles open on them, so rounding down changes no comparison with an open.
        tradable_from_ms=np.where(is_late, np.maximum(alert_ts_us, edited_ts_us), alert_ts_us) // 1_000,
        n_outside_range=int((~in_range).sum()),
        n_edits_unknown=int((~is_edited & ~is_proven).sum()),
    )


def _refuse_repeats(listed: pa.Table) -> None:
    if pc.count_distinct(listed["alert_id"]).as_py() == listed.num_rows:
        return
    seen: set[Any] = set()
    for alert_id in listed["alert_id"].to_pylist():
        if alert_id in seen:
            raise InvalidInputError(
                f"alert {alert_id} occurs twice in the experiment's alerts; freeze a set without repeats"
            )
        seen.add(alert_id)


def _in_range(alert_ts_us: Whole, alert_range: AlertRange) -> Flags:
    in_range = np.ones(len(alert_ts_us), dtype=np.bool_)
    if alert_range.start is not None:
        in_range &= epoch_microseconds(alert_range.start) <= alert_ts_us
    if alert_range.end is not None:
        in_range &= alert_ts_us < epoch_microseconds(alert_range.end)
    return in_range


def _exclusions(listed: pa.Table, selection: Selection, is_proven: Flags, is_edited: Flags) -> Codes:
    """`exclusion_reason` of every alert; of several reasons the one that is given last here."""
    reasons = np.full(listed.num_rows, NO_REASON, dtype=np.int8)
    if selection.edited == "exclude":
        reasons[is_edited & ~is_proven] = EDITED_CALL
    if selection.callers is not None:
        reasons[~_is_in(listed["caller"], selection.callers)] = CALLER_NOT_SELECTED
    if selection.chains is not None:
        reasons[~_is_in(listed["chain"], selection.chains)] = CHAIN_NOT_SELECTED
    return reasons


def _tokens(listed: pa.Table) -> tuple[tuple[Token, ...], Whole]:
    """The tokens, and the place of each alert's among them. EVM addresses are lower case."""
    chains, mints = (_array(listed[name]).dictionary_encode() for name in ("chain", "mint"))
    pairs = np.asarray(chains.indices.to_numpy(), dtype=np.int64) * (len(mints.dictionary) + 1)
    pairs += np.asarray(mints.indices.to_numpy(), dtype=np.int64)
    _, first, index = np.unique(pairs, return_index=True, return_inverse=True)
    named: list[dict[str, Any]] = listed.select(["chain", "mint"]).take(first).to_pylist()
    return tuple(_token(row["chain"], row["mint"]) for row in named), np.asarray(index, dtype=np.int64)


def _token(chain: str, mint: str) -> Token:
    return Token(chain, mint.lower() if chain in EVM_CHAINS else mint)


def _is_in(column: pa.ChunkedArray[Any], words: tuple[str, ...]) -> Flags:
    found: Any = pc.is_in(column, value_set=pa.array(words, pa.string()))
    return np.asarray(found.to_numpy(), dtype=np.bool_)


def _whole(column: pa.ChunkedArray[Any]) -> Whole:
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _array(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)
