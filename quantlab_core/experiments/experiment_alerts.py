"""The alerts of an experiment as columns: which lie in its range, which are left out, and when each can be traded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.alerts.caller_aliases import CallerAliases
from quantlab_core.experiments.checked_config import CheckedConfig
from quantlab_core.experiments.listed_calls import Call, listed_calls
from quantlab_core.experiments.rementions import rementions
from quantlab_core.experiments.selection import exclusion_reason, tradable_from_us, with_aliases
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.outcome_codes import NO_REASON, REASONS
from quantlab_core.simulation.trade_columns import AlertColumns, Codes, Flags, Whole
from quantlab_core.token import Token

_CODE_OF = {reason: code for code, reason in enumerate(REASONS)} | {None: NO_REASON}


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentAlerts:
    """The alerts of the range by time and id. ``exclusion`` is why each is left out (`NO_REASON`: it is traded).

    Alert ``i`` is of ``tokens[token_index[i]]`` and can be acted on from ``tradable_from_ms[i]``, epoch milliseconds
    UTC; ``is_lagged`` marks those that can be only from their edit on. ``n_outside_range`` counts the alerts that lie
    outside, ``n_edits_unknown`` those of the range of which nobody knows whether they were edited.
    """

    columns: AlertColumns
    exclusion: Codes
    tokens: tuple[Token, ...]
    token_index: Whole
    tradable_from_ms: Whole
    is_lagged: Flags
    n_outside_range: int
    n_edits_unknown: int

    def __len__(self) -> int:
        return len(self.exclusion)

    @property
    def wanted_tokens(self) -> list[Token]:
        """The tokens of the alerts that are traded, ascending."""
        return sorted(self.tokens[index] for index in np.unique(self.token_index[self.exclusion == NO_REASON]))


def experiment_alerts(alerts: pa.Table, checked: CheckedConfig, aliases: CallerAliases) -> ExperimentAlerts:
    """The alerts of the alerts schema that an experiment looks at; their order does not matter.

    ``aliases`` say which callers are one person. Raises InvalidInputError for an alert that occurs twice.
    """
    listed = listed_calls(alerts, aliases)
    calls = [call for call in listed if checked.alert_range.holds(call.alert_ts_us)]
    selection = with_aliases(checked.params.selection, aliases)
    # Of all alerts: a call before the range makes a later one a repetition.
    repeated = rementions(listed, selection)
    index_of: dict[Token, int] = {}
    token_index = [index_of.setdefault(call.token, len(index_of)) for call in calls]
    tradable_us = _whole([tradable_from_us(call, selection) for call in calls])
    columns = _columns(calls)
    return ExperimentAlerts(
        columns=columns,
        exclusion=np.array([_CODE_OF[exclusion_reason(call, selection, repeated)] for call in calls], dtype=np.int8),
        tokens=tuple(index_of),
        token_index=_whole(token_index),
        # Whole milliseconds: candles open on them, so rounding down changes no comparison with an open.
        tradable_from_ms=tradable_us // 1_000,
        is_lagged=tradable_us > columns.alert_ts_us,
        n_outside_range=len(listed) - len(calls),
        n_edits_unknown=sum(call.is_edit_unknown for call in calls),
    )


def calls_of(alerts: ExperimentAlerts, pack: CandlePack) -> Calls:
    """The alerts as calls on the series of ``pack``; those that are left out have none.

    Raises InvalidInputError where the candles of a token that is traded are at fault.
    """
    pack.require(alerts.wanted_tokens)
    index_of = pack.index_of()
    series_of_token = np.array([index_of.get(token, NO_SERIES) for token in alerts.tokens], dtype=np.int64)
    is_excluded = alerts.exclusion != NO_REASON
    return Calls(np.where(is_excluded, NO_SERIES, series_of_token[alerts.token_index]), alerts.tradable_from_ms)


def _columns(calls: Sequence[Call]) -> AlertColumns:
    return AlertColumns(
        alert_id=pa.array([call.alert_id for call in calls], pa.string()),
        address=pa.array([call.token.address for call in calls], pa.string()),
        chain=pa.array([call.token.chain for call in calls], pa.string()),
        caller=pa.array([call.caller for call in calls], pa.string()),
        alert_ts_us=_whole([call.alert_ts_us for call in calls]),
    )


def _whole(values: Sequence[int]) -> Whole:
    return np.array(values, dtype=np.int64)
