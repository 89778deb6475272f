"""Two experiments side by side: what they were made from, by which code, what came out, and which trades changed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.experiments.checked_config import check_config
from quantlab_core.experiments.experiment import Experiment, ExperimentDefinition
from quantlab_core.experiments.experiment_identity import encode_definition

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_OUTCOME = ("status", "reason", "entry_ts", "exit_ts", "exit_reason", "net_return")
_IDENTITY = ("experimentId", "name", "description")
"""Words about an experiment, which say nothing of what it does."""


@dataclass(frozen=True, slots=True)
class FactDifference:
    """One fact that the two have otherwise; None where one has not got it."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class MemberDifference:
    """One member of a frozen set that only one has (``added``: B), or whose content is another."""

    kind: str
    change: str
    artifact_type: str
    logical_key: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A metric in both; ``difference`` is B - A, None where either has no value."""

    scope: str
    scope_key: str
    metric: str
    a: float | None
    b: float | None
    difference: float | None


@dataclass(frozen=True, slots=True)
class TradeDifference:
    """An alert that ended otherwise. ``a`` and ``b`` hold status, reason, entry, exit and net return; None: only one
    experiment looked at the alert. ``difference`` is B's net return less A's, no trade counting as 0."""

    param_id: str
    alert_id: str
    token: str
    a: Mapping[str, Any] | None
    b: Mapping[str, Any] | None
    difference: float


@dataclass(frozen=True, slots=True)
class TradesDifference:
    """Counts of alerts, and those that differ, the largest difference first."""

    n_equal: int
    n_only_a: int
    n_only_b: int
    n_changed: int
    n_other_entry: int
    n_other_exit: int
    n_other_return: int
    trades: tuple[TradeDifference, ...]


@dataclass(frozen=True, slots=True)
class ExperimentInputsInFull:
    """An experiment with the members of its frozen sets (None: the set cannot be read)."""

    experiment: Experiment
    alerts: Sequence[Artifact] | None
    candles: Sequence[Artifact] | None


@dataclass(frozen=True, slots=True)
class ExperimentDiff:
    """How B differs from A. ``metrics`` and ``trades`` are None until both have results.

    ``inputs`` are the pinned artifacts by role, ``config`` keys of strategy, range and parameters with defaults written
    out, ``code`` what the two provenances record.
    """

    a: str
    b: str
    inputs: tuple[FactDifference, ...]
    members: tuple[MemberDifference, ...]
    config: tuple[FactDifference, ...]
    code: tuple[FactDifference, ...]
    metrics: tuple[MetricDifference, ...] | None
    trades: TradesDifference | None
    notes: tuple[str, ...]


def experiment_diff(
    a: ExperimentInputsInFull,
    b: ExperimentInputsInFull,
    *,
    metrics: tuple[pa.Table, pa.Table] | None = None,
    trades: tuple[pa.Table, pa.Table] | None = None,
) -> ExperimentDiff:
    """Compare two experiments; ``metrics`` and ``trades`` are their tables, A's first. Raises as `check_config`."""
    one, other = a.experiment.definition, b.experiment.definition
    notes = [
        f"the members of the {kind} set of {side} cannot be read"
        for side, found in (("A", a), ("B", b))
        for kind, members in (("alerts", found.alerts), ("candles", found.candles))
        if members is None
    ]
    if metrics is None or trades is None:
        notes.append(f"A is {a.experiment.status}, B is {b.experiment.status}: no results were compared")
    return ExperimentDiff(
        a=one.experiment_id,
        b=other.experiment_id,
        inputs=_differing(_pinned(one), _pinned(other)),
        members=(
            *_member_differences("alerts", a.alerts, b.alerts),
            *_member_differences("candles", a.candles, b.candles),
        ),
        config=_differing(_flat(_config(one)), _flat(_config(other))),
        code=_differing(_provenance(one), _provenance(other)),
        metrics=None if metrics is None else _metric_differences(*metrics),
        trades=None if trades is None else trade_differences(*trades),
        notes=tuple(notes),
    )


def trade_differences(a: pa.Table, b: pa.Table) -> TradesDifference:
    """Compare two trades tables alert by alert; parameter sets are matched where either has several."""
    rows_a, rows_b = _trades_by_alert(a), _trades_by_alert(b)
    if len({key[0] for key in rows_a}) <= 1 and len({key[0] for key in rows_b}) <= 1:
        rows_a, rows_b = _as_base(rows_a), _as_base(rows_b)
    differing = []
    counted = dict.fromkeys(("changed", "entry", "exit", "return"), 0)
    for key in sorted(rows_a.keys() | rows_b.keys()):
        one, other = rows_a.get(key), rows_b.get(key)
        outcomes = [None if row is None else {name: row[name] for name in _OUTCOME} for row in (one, other)]
        if outcomes[0] == outcomes[1]:
            continue
        if one is not None and other is not None:
            counted["changed"] += 1
            counted["entry"] += _other(one, other, "status", "reason", "entry_ts")
            counted["exit"] += _other(one, other, "exit_ts", "exit_reason")
            counted["return"] += _other(one, other, "net_return")
        difference = _net_return(other) - _net_return(one)
        token = (one or other or {})["token"]
        differing.append(TradeDifference(key[0], key[1], token, outcomes[0], outcomes[1], difference))
    n_both = len(rows_a.keys() & rows_b.keys())
    differing.sort(key=lambda trade: (-abs(trade.difference), trade.param_id, trade.alert_id))
    return TradesDifference(
        n_equal=n_both - counted["changed"],
        n_only_a=len(rows_a) - n_both,
        n_only_b=len(rows_b) - n_both,
        n_changed=counted["changed"],
        n_other_entry=counted["entry"],
        n_other_exit=counted["exit"],
        n_other_return=counted["return"],
        trades=tuple(differing),
    )


def _trades_by_alert(trades: pa.Table) -> dict[tuple[str, str], Mapping[str, Any]]:
    rows = trades.select(["param_id", "alert_id", "token", *_OUTCOME]).to_pylist()
    return {(row["param_id"], row["alert_id"]): row for row in rows}


def _as_base(rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {("", alert_id): row for (_, alert_id), row in rows.items()}


def _other(one: Mapping[str, Any], other: Mapping[str, Any], *names: str) -> bool:
    return any(one[name] != other[name] for name in names)


def _net_return(row: Mapping[str, Any] | None) -> float:
    return 0.0 if row is None or row["net_return"] is None else float(row["net_return"])


def _metric_differences(a: pa.Table, b: pa.Table) -> tuple[MetricDifference, ...]:
    """Metrics of equal name and scope; of experiments with one parameter set each, whatever it is called."""
    tables = [table.to_pylist() for table in (a, b)]
    is_plain = all(len({row["param_id"] for row in rows}) <= 1 for rows in tables)
    by_key = [
        {("" if is_plain else row["param_id"], row["scope"], row["scope_key"], row["metric"]): row for row in rows}
        for rows in tables
    ]
    found = []
    for key in sorted(by_key[0].keys() | by_key[1].keys()):
        one, other = (None if key not in rows else rows[key]["value"] for rows in by_key)
        param_id, scope, scope_key, metric = key
        name = metric if not param_id else f"{param_id}: {metric}"
        found.append(MetricDifference(scope, scope_key, name, one, other, _difference(one, other)))
    return tuple(found)


def _difference(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    difference = b - a
    return difference if math.isfinite(difference) else None


def _pinned(definition: ExperimentDefinition) -> dict[str, Any]:
    """Pinned artifacts by role, as the stored definition names them."""
    document = json.loads(encode_definition(definition))
    return {name: value for name, value in document.items() if name.endswith("Id") and name not in _IDENTITY}


def _config(definition: ExperimentDefinition) -> dict[str, Any]:
    return {**check_config(definition.config).identity(), "strategyName": definition.config.strategy.get("name")}


def _provenance(definition: ExperimentDefinition) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encode_definition(definition))["provenance"]
    return _flat({name: value for name, value in document.items() if name != "createdAt"})


def _member_differences(
    kind: str, a: Sequence[Artifact] | None, b: Sequence[Artifact] | None
) -> list[MemberDifference]:
    if a is None or b is None:
        return []
    by_key = [{(member.artifact_type, member.logical_key): member for member in members} for members in (a, b)]
    found = []
    for key in sorted(by_key[0].keys() | by_key[1].keys()):
        one, other = by_key[0].get(key), by_key[1].get(key)
        if one is not None and other is not None and one.content_hash == other.content_hash:
            continue
        change = ADDED if one is None else REMOVED if other is None else CHANGED
        ids = (None if member is None else member.artifact_id for member in (one, other))
        found.append(MemberDifference(kind, change, *key, *ids))
    return found


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[FactDifference, ...]:
    names = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
    return tuple(FactDifference(name, a.get(name), b.get(name)) for name in names)


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            facts |= _flat(value, f"{prefix}{name}.")
        else:
            facts[prefix + name] = value
    return facts


def diff_document(diff: ExperimentDiff, *, most_trades: int | None = None) -> dict[str, Any]:
    """The difference as plain values for JSON: keys in camelCase, times as ISO 8601, absent values left out."""
    document: dict[str, Any] = {
        "a": diff.a,
        "b": diff.b,
        "inputs": [_fact(fact) for fact in diff.inputs],
        "members": [
            _present(
                set=member.kind,
                change=member.change,
                artifactType=member.artifact_type,
                logicalKey=member.logical_key,
                a=member.a,
                b=member.b,
            )
            for member in diff.members
        ],
        "config": [_fact(fact) for fact in diff.config],
        "code": [_fact(fact) for fact in diff.code],
        "notes": list(diff.notes),
    }
    if diff.metrics is not None:
        document["metrics"] = [
            _present(
                scope=one.scope, scopeKey=one.scope_key, metric=one.metric, a=one.a, b=one.b, difference=one.difference
            )
            for one in diff.metrics
        ]
    if diff.trades is not None:
        trades = diff.trades
        document["trades"] = {
            "equal": trades.n_equal,
            "onlyA": trades.n_only_a,
            "onlyB": trades.n_only_b,
            "changed": trades.n_changed,
            "otherEntry": trades.n_other_entry,
            "otherExit": trades.n_other_exit,
            "otherReturn": trades.n_other_return,
            "largest": [_trade(trade) for trade in trades.trades[:most_trades]],
        }
    return document


def _fact(fact: FactDifference) -> dict[str, Any]:
    return _present(name=fact.name, a=fact.a, b=fact.b)


def _trade(trade: TradeDifference) -> dict[str, Any]:
    return _present(
        paramId=trade.param_id or None,
        alertId=trade.alert_id,
        token=trade.token,
        difference=trade.difference,
        a=None if trade.a is None else _outcome(trade.a),
        b=None if trade.b is None else _outcome(trade.b),
    )


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
    return _present(
        status=texts["status"],
        reason=texts["reason"],
        entryTs=texts["entry_ts"],
        exitTs=texts["exit_ts"],
        exitReason=texts["exit_reason"],
        netReturn=texts["net_return"],
    )


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
