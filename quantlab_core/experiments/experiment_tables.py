"""Running an experiment: alerts and candles in, five result tables out. The same inputs give the same tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.candles.epoch_time import epoch_microseconds, instant_of
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, span_end_at
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.diagnostics import diagnostics_table
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.result_rows import curves_table, fills_table, metrics_table, trades_table
from quantlab_core.experiments.selection import Call, exclusion_reason, tradable_from_us
from quantlab_core.simulation.alert_outcome import AlertOutcome, OutcomeStatus
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.entry import first_row_after_alert
from quantlab_core.simulation.metrics import experiment_metrics
from quantlab_core.simulation.portfolio import run_portfolio
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.trade import Position, SimulatedTrade
from quantlab_core.token import EVM_CHAINS, Token


@dataclass(frozen=True, slots=True)
class ExperimentTables:
    """The results of one run, each in the schema of its artifact type and in sort-key order."""

    trades: pa.Table
    fills: pa.Table
    curves: pa.Table
    metrics: pa.Table
    diagnostics: pa.Table


def run_experiment(
    *,
    experiment_id: str,
    config: ExperimentConfig,
    alerts: pa.Table,
    candles: Mapping[Token, pa.Table],
    progress: Callable[[int, int], None] | None = None,
) -> ExperimentTables:
    """Simulate every alert of the range and make the result tables.

    ``alerts`` has the alerts schema, ``candles`` a table of the token candles schema for each token that has any; its
    schema metadata hold ``resolution`` and ``source_spans``. The order of the alerts does not matter. ``progress`` is
    called with the alerts done and their number. Raises StrategyError or InvalidInputError for a configuration that is
    refused, InvalidInputError for an alert that occurs twice or candles without resolution.
    """
    checked = check_config(config)
    listed = _listed_alerts(alerts)
    in_range = [alert for alert in listed if checked.alert_range.holds(alert.call.alert_ts_us)]
    outcomes = _outcomes(in_range, candles, checked, progress)
    strategy, portfolio_config = checked.strategy, checked.params.portfolio
    portfolio = run_portfolio(outcomes, portfolio_config, strategy.stake)
    return ExperimentTables(
        trades=trades_table(experiment_id, outcomes),
        fills=fills_table(outcomes),
        curves=curves_table(portfolio),
        metrics=metrics_table(experiment_metrics(outcomes, portfolio_config, strategy.stake)),
        diagnostics=diagnostics_table(
            outcomes,
            portfolio,
            checked.params.dead_token,
            n_outside_range=len(listed) - len(in_range),
            n_edits_unknown=sum(alert.call.is_edit_unknown for alert in in_range),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Alert:
    """What the run needs of one row of the alerts table."""

    alert_id: str
    token: Token
    call: Call


def _listed_alerts(alerts: pa.Table) -> list[_Alert]:
    """The alerts by time and id. Times stay whole microseconds."""
    names = ("alert_id", "chain", "mint", "caller_name_norm", "token_proven_at_call")
    columns = [alerts[name].to_pylist() for name in names]
    times = [pc.cast(alerts[name], pa.int64()).to_pylist() for name in ("alert_ts_utc", "edited_ts")]
    listed = [
        _Alert(alert_id, _token(chain, mint), Call(chain, caller, alert_ts_us, edited_ts_us, is_token_proven))
        for alert_id, chain, mint, caller, is_token_proven, alert_ts_us, edited_ts_us in zip(
            *columns, *times, strict=True
        )
    ]
    listed.sort(key=lambda alert: (alert.call.alert_ts_us, alert.alert_id))
    seen: set[str] = set()
    for alert in listed:
        if alert.alert_id in seen:
            raise InvalidInputError(
                f"alert {alert.alert_id} occurs twice in the experiment's alerts; freeze a set without repeats"
            )
        seen.add(alert.alert_id)
    return listed


def _token(chain: str, mint: str) -> Token:
    return Token(chain, mint.lower() if chain in EVM_CHAINS else mint)


def _outcomes(
    alerts: Sequence[_Alert],
    candles: Mapping[Token, pa.Table],
    checked: CheckedConfig,
    progress: Callable[[int, int], None] | None,
) -> list[AlertOutcome]:
    """The outcome of every alert, in the order of ``alerts``. One token's candles are in memory at a time."""
    by_token: dict[Token, list[_Alert]] = {}
    for alert in alerts:
        by_token.setdefault(alert.token, []).append(alert)
    outcomes: dict[str, AlertOutcome] = {}
    for token in sorted(by_token):
        for outcome in _token_outcomes(by_token[token], token, candles, checked):
            outcomes[outcome.alert_id] = outcome
            if progress is not None:
                progress(len(outcomes), len(alerts))
    return [outcomes[alert.alert_id] for alert in alerts]


def _token_outcomes(
    alerts: Sequence[_Alert], token: Token, candles: Mapping[Token, pa.Table], checked: CheckedConfig
) -> Iterator[AlertOutcome]:
    source: _TokenCandles | None = None
    for alert in alerts:
        exclusion = exclusion_reason(alert.call, checked.params.selection)
        if exclusion is not None:
            yield _outcome(alert, "excluded", exclusion)
        elif token not in candles:
            yield _outcome(alert, "no_entry", "no_candle_series")
        else:
            source = source or _TokenCandles.of(token, candles[token])
            trade = _simulated(alert, source, checked)
            yield _outcome(alert, trade.status, trade.reason, trade.position)


def _outcome(
    alert: _Alert, status: OutcomeStatus, reason: str | None, position: Position | None = None
) -> AlertOutcome:
    return AlertOutcome(
        alert.alert_id, alert.token, alert.call.caller, alert.call.alert_ts_us, status, reason, position
    )


def _simulated(alert: _Alert, source: _TokenCandles, checked: CheckedConfig) -> SimulatedTrade:
    # Whole milliseconds: candles open on them, so rounding down changes no comparison with an open.
    tradable_from_ms = tradable_from_us(alert.call, checked.params.selection) // 1_000
    return simulate(
        source.series,
        alert_ts_ms=tradable_from_ms,
        strategy=checked.strategy,
        coverage_end_ms=source.coverage_end_ms(tradable_from_ms, checked.strategy),
        dead_price=checked.params.dead_token,
    )


@dataclass(frozen=True, slots=True)
class _TokenCandles:
    """One token's series and the spans for which its source answered."""

    series: CandleSeries
    spans: tuple[SourceSpan, ...]

    @classmethod
    def of(cls, token: Token, table: pa.Table) -> _TokenCandles:
        metadata = table.schema.metadata or {}
        resolution = metadata.get(b"resolution")
        if resolution is None:
            raise InvalidInputError(f"candles of {token.partition_key}: the table's metadata do not say its resolution")
        spans = metadata.get(b"source_spans", b"")
        return cls(CandleSeries.from_table(table, resolution.decode()), decode_spans(spans.decode()) if spans else ())

    def coverage_end_ms(self, tradable_from_ms: int, strategy: Strategy) -> int | None:
        """End of the source span that holds the first candle an entry may use; None where no span does."""
        row = first_row_after_alert(self.series, tradable_from_ms, strategy)
        if row is None:
            return None
        end = span_end_at(self.spans, instant_of(int(self.series.ts_ms[row]) * 1_000))
        return None if end is None else epoch_microseconds(end) // 1_000
