"""The look-ahead audit of a real experiment: its trades by three engines, its choice of alerts, and its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.experiment_alerts import ExperimentAlerts, experiment_alerts
from quantlab_core.experiments.result_rows import BASE_PARAM_ID
from quantlab_core.experiments.verification.artifact_types import LOOKAHEAD_AUDIT
from quantlab_core.experiments.verification.selection_audit import (
    SELECTION_CHECKS,
    SelectionFindings,
    audited_selection,
)
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.lookahead.audited_engines import audited_engines
from quantlab_core.simulation.lookahead.call_window import CallWindow, call_window
from quantlab_core.simulation.lookahead.lookahead_audit import CHECKS, audited
from quantlab_core.simulation.lookahead.observed_trade import AuditedEngine, Facts, ObservedTrade, summary_of
from quantlab_core.simulation.outcome_codes import NO_REASON

AS_RECORDED = "as_recorded"
RECORD_CHECKS = {AS_RECORDED: "the candles that a call may need, and no others, give the trade on record"}
ENGINES = ("compiled", "sweep", "reference")
SELECTION = "selection"
SAMPLE = "sample"
_JUDGED = {("closed", None), ("no_entry", "no_candle"), ("no_entry", "limit_not_filled")}
"""Status and reason of alerts that reached an engine, and whose answer was taken as it came."""


@dataclass(frozen=True, slots=True)
class AuditExtent:
    """How much is looked at: calls (None: all), instants drawn for each, the seed, the engines, and whether the choice
    of alerts is audited too. At most ``most_failures`` of each check are told; all are counted."""

    calls: int | None = 100
    instants: int = 8
    seed: int = 0
    engines: Sequence[str] = ENGINES
    has_selection: bool = True
    most_failures: int = 20


@dataclass(frozen=True, slots=True)
class CheckCount:
    """Comparisons of one check by one engine."""

    engine: str
    check: str
    n_checked: int
    n_failed: int
    meaning: str


@dataclass(frozen=True, slots=True)
class AuditFailure:
    """One failure that is told. ``tau_us`` is epoch microseconds UTC."""

    engine: str
    check: str
    alert_id: str
    tau_us: int | None
    message: str


@dataclass(frozen=True, slots=True)
class ExperimentAudit:
    """What was looked at, in one sentence and by check, and what failed."""

    n_calls: int
    sample: str
    counts: tuple[CheckCount, ...]
    failures: tuple[AuditFailure, ...]

    @property
    def n_failed(self) -> int:
        """Comparisons that failed."""
        return sum(count.n_failed for count in self.counts)


def audit_experiment(
    *,
    config: ExperimentConfig,
    alerts: pa.Table,
    candles: CandlePack,
    trades: pa.Table,
    aliases: CallerAliases = NO_ALIASES,
    param_id: str = BASE_PARAM_ID,
    extent: AuditExtent | None = None,
    engines: Sequence[AuditedEngine] | None = None,
) -> ExperimentAudit:
    """Audit the trades on record of one parameter set, whose strategy is the one of ``config``.

    ``alerts``, ``candles`` and ``aliases`` are its frozen inputs, ``trades`` its recorded table. ``engines`` stand in
    for quantlab's own. Raises InvalidInputError where the record is not of these alerts, and as `run_experiment`.
    """
    extent = extent or AuditExtent()
    trades = trades.filter(pc.equal(trades["param_id"], pa.scalar(param_id)))
    checked = check_config(config)
    listed = experiment_alerts(alerts, checked, aliases)
    if trades.num_rows != len(listed):
        raise InvalidInputError(
            f"the record has {trades.num_rows} trades of the parameter set {param_id!r} for {len(listed)} alerts; "
            "the audit is for the complete trades of one set"
        )
    candles.require(listed.wanted_tokens)
    recorded = _recorded(trades)
    calls = Calls.of(
        candles,
        [
            (listed.tokens[token], int(at))
            for token, at in zip(listed.token_index, listed.tradable_from_ms, strict=True)
        ],
    )
    alert_ids = [str(alert_id) for alert_id in listed.columns.alert_id.to_pylist()]
    judged = _judged_calls(listed, calls, [recorded[alert_id] for alert_id in alert_ids])
    sampled = _sampled(judged, extent)
    windows = [call_window(candles, calls, call, checked.strategy) for call in sampled]
    own = audited_engines(checked.strategy, checked.params.dead_token)
    counts: list[CheckCount] = []
    failures: list[AuditFailure] = []
    ids = [alert_ids[call] for call in sampled]
    for engine in engines if engines is not None else [one for one in own if one.name in extent.engines]:
        _audit_engine(engine, windows, ids, recorded, checked, extent, counts, failures)
    sample = f"{len(sampled)} of {len(judged)} calls with candles, of {len(listed)} alerts; seed {extent.seed}"
    n_uncovered = sum(facts[:2] == ("excluded", "poorly_covered") for facts in recorded.values())
    if n_uncovered:
        sample += (
            f"; {n_uncovered} poorly covered alerts are left out in hindsight, as selection.coverage: exclude asks"
        )
    if extent.has_selection:
        found = audited_selection(
            alerts,
            lambda table: experiment_alerts(table, checked, aliases),
            checked.params.selection,
            seed=extent.seed,
            instants=extent.instants,
        )
        _note_selection(found, extent, counts, failures)
        if found.n_hindsight:
            sample += f"; {found.n_hindsight} edited calls are traded in hindsight, as selection.edited: accept asks"
    return ExperimentAudit(len(sampled), sample, tuple(counts), tuple(failures))


def audit_table(audit: ExperimentAudit) -> pa.Table:
    """The rows of `LOOKAHEAD_AUDIT`."""
    rows: list[dict[str, Any]] = [
        {"kind": SAMPLE, "engine": SAMPLE, "check": "calls", "n_checked": audit.n_calls, "message": audit.sample}
    ]
    rows += [
        {
            "kind": "check",
            "engine": count.engine,
            "check": count.check,
            "n_checked": count.n_checked,
            "n_failed": count.n_failed,
            "message": count.meaning,
        }
        for count in audit.counts
    ]
    rows += [
        {
            "kind": "failure",
            "engine": failure.engine,
            "check": failure.check,
            "alert_id": failure.alert_id,
            "tau_ts": failure.tau_us,
            "message": failure.message,
        }
        for failure in audit.failures
    ]
    columns = {
        field.name: pa.array(
            [row.get(field.name) for row in rows], pa.int64() if field.name == "tau_ts" else field.type
        )
        for field in LOOKAHEAD_AUDIT.schema
        if field.name != "ordinal"
    }
    columns["ordinal"] = pa.array(range(len(rows)), pa.int32())
    return pa.table(
        [columns[field.name].cast(field.type) for field in LOOKAHEAD_AUDIT.schema], schema=LOOKAHEAD_AUDIT.schema
    )


def _audit_engine(
    engine: AuditedEngine,
    windows: Sequence[CallWindow],
    ids: Sequence[str],
    recorded: Mapping[str, Facts],
    checked: CheckedConfig,
    extent: AuditExtent,
    counts: list[CheckCount],
    failures: list[AuditFailure],
) -> None:
    observed, found = audited(engine, windows, checked.strategy, seed=extent.seed, instants=extent.instants)
    found_failures = [
        AuditFailure(
            engine.name,
            failure.check,
            ids[failure.call],
            None if failure.tau_ms is None else failure.tau_ms * 1_000,
            failure.message,
        )
        for failure in found.failures
    ]
    found_failures += _unlike_the_record(engine.name, observed, ids, recorded)
    number_checked = {**found.checked, AS_RECORDED: len(observed)}
    _note(engine.name, number_checked, CHECKS | RECORD_CHECKS, found_failures, extent, counts, failures)


def _unlike_the_record(
    name: str, observed: Sequence[ObservedTrade], ids: Sequence[str], recorded: Mapping[str, Facts]
) -> list[AuditFailure]:
    return [
        AuditFailure(name, AS_RECORDED, alert_id, None, f"on record is {recorded[alert_id]}, now {trade.summary}")
        for alert_id, trade in zip(ids, observed, strict=True)
        if trade.summary != recorded[alert_id]
    ]


def _note_selection(
    found: SelectionFindings, extent: AuditExtent, counts: list[CheckCount], failures: list[AuditFailure]
) -> None:
    listed = [
        AuditFailure(SELECTION, failure.check, failure.alert_id, failure.tau_us, failure.message)
        for failure in found.failures
    ]
    _note(SELECTION, found.checked, SELECTION_CHECKS, listed, extent, counts, failures)


def _note(
    engine: str,
    number_checked: Mapping[str, int],
    meanings: Mapping[str, str],
    found: Sequence[AuditFailure],
    extent: AuditExtent,
    counts: list[CheckCount],
    failures: list[AuditFailure],
) -> None:
    for check, n_checked in number_checked.items():
        failed = [failure for failure in found if failure.check == check]
        counts.append(CheckCount(engine, check, n_checked, len(failed), meanings[check]))
        failures.extend(failed[: extent.most_failures])


def _recorded(trades: pa.Table) -> dict[str, Facts]:
    """What the record says of each alert, in the form in which an engine's answer is compared."""
    names = ("alert_id", "status", "reason", "entry_raw_price", "exit_reason", "gross_return", "net_return")
    columns = {name: trades[name].to_pylist() for name in names}
    columns |= {name: pc.cast(trades[name], pa.int64()).to_pylist() for name in ("entry_ts", "exit_ts")}
    return {
        row["alert_id"]: summary_of(
            row["status"],
            row["reason"],
            entry_ts_ms=_ms(row["entry_ts"]),
            entry_raw_price=row["entry_raw_price"],
            exit_ts_ms=_ms(row["exit_ts"]),
            exit_reason=row["exit_reason"],
            gross_return=row["gross_return"],
            net_return=row["net_return"],
        )
        for row in (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    }


def _ms(ts_us: int | None) -> int | None:
    return None if ts_us is None else ts_us // 1_000


def _judged_calls(listed: ExperimentAlerts, calls: Calls, recorded: Sequence[Facts]) -> list[int]:
    """Alerts that reached an engine and have candles, as numbers in the order of the trades."""
    return [
        call
        for call, facts in enumerate(recorded)
        if listed.exclusion[call] == NO_REASON and calls.series_index[call] != NO_SERIES and facts[:2] in _JUDGED
    ]


def _sampled(judged: Sequence[int], extent: AuditExtent) -> list[int]:
    if extent.calls is None or extent.calls >= len(judged):
        return list(judged)
    drawn = np.random.Generator(np.random.PCG64(extent.seed)).choice(np.array(judged), extent.calls, replace=False)
    return [int(call) for call in np.sort(drawn)]
