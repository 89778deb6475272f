"""The choice of alerts under the look-ahead audit: later calls, later edits and later facts may change none of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.experiments.experiment_alerts import ExperimentAlerts
from quantlab_core.experiments.selection import Selection
from quantlab_core.simulation.outcome_codes import NO_REASON, REASONS

LATER_CALLS_REMOVED = "later_calls_removed"
LATER_CALLS_CHANGED = "later_calls_changed"
OTHER_FACTS_CHANGED = "other_facts_changed"
EDIT_TIME_CHANGED = "edit_time_changed"
EDITED_CALLS_WAIT = "edited_calls_wait"
SELECTION_CHECKS = {
    LATER_CALLS_REMOVED: "without the calls after an instant, every choice up to then is the same",
    LATER_CALLS_CHANGED: "with one token and caller in all calls after an instant, likewise",
    OTHER_FACTS_CHANGED: "replies, prices and whatever else an alert says beside its call play no part",
    EDIT_TIME_CHANGED: "when an edit came plays no part, but for calls that are traded from it",
    EDITED_CALLS_WAIT: "a call whose token an edit may have brought is left out, or traded from the edit on",
}
"""What each check says."""

READ_COLUMNS = frozenset(
    {
        "alert_id",
        "chain",
        "mint",
        "alert_chat_id",
        "caller_id",
        "caller_name_norm",
        "token_proven_at_call",
        "alert_ts_utc",
        "edited_ts",
    }
)
"""All that a choice may rest on: the call itself, and what is known of its edits."""
_CALL_COLUMNS = ("chain", "mint", "caller_id", "caller_name_norm", "alert_chat_id")
_DAY_US = 86_400_000_000

Choose = Callable[[pa.Table], ExperimentAlerts]
"""The choice of an experiment: its alerts, each with its reason or none, of a table of alerts."""

_Choice = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SelectionFailure:
    """A choice that changed, or that rests on an edit. ``tau_us`` is the instant whose future was changed."""

    check: str
    alert_id: str
    tau_us: int | None
    message: str


@dataclass(slots=True)
class SelectionFindings:
    """Comparisons by check and failures; ``n_hindsight`` counts calls traded although an edit may have brought their
    token, as the experiment's ``selection.edited: accept`` asks."""

    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SELECTION_CHECKS, 0))
    failures: list[SelectionFailure] = field(default_factory=list)
    n_hindsight: int = 0


def audited_selection(
    alerts: pa.Table, choose: Choose, selection: Selection, *, seed: int, instants: int
) -> SelectionFindings:
    """Audit a choice among ``alerts`` (the alerts schema) at ``instants`` drawn from the times of its calls."""
    findings = SelectionFindings()
    chosen = choose(alerts)
    base, tradable_ms = _choices(chosen), dict(_tradable(chosen))
    sent_us = _whole(alerts, "alert_ts_utc")
    draw = np.random.default_rng(seed)
    times_ms = np.unique(chosen.tradable_from_ms)
    drawn = np.sort(draw.permutation(times_ms)[:instants])
    for tau_ms in drawn.tolist():
        is_later = sent_us // 1_000 > tau_ms
        known = {alert_id: choice for alert_id, choice in base.items() if tradable_ms[alert_id] <= tau_ms}
        changed = {
            LATER_CALLS_REMOVED: alerts.filter(pa.array(~is_later)),
            LATER_CALLS_CHANGED: _with_values_of(alerts, _CALL_COLUMNS, _all_like_one(is_later, draw)),
        }
        for check, table in changed.items():
            _compare(findings, check, known, _choices(choose(table)), tau_ms * 1_000)
    others = [name for name in alerts.column_names if name not in READ_COLUMNS]
    reversed_facts = _with_values_of(alerts, others, np.arange(alerts.num_rows)[::-1])
    _compare(findings, OTHER_FACTS_CHANGED, base, _choices(choose(reversed_facts)), None)
    if selection.edited != "lag":
        _compare(findings, EDIT_TIME_CHANGED, base, _choices(choose(_edited_later(alerts))), None)
    _judge_edits(findings, alerts, chosen, selection)
    return findings


def _judge_edits(findings: SelectionFindings, alerts: pa.Table, chosen: ExperimentAlerts, selection: Selection) -> None:
    """Edited calls whose token is not proven for the time of the call, and what became of them."""
    is_open = pc.and_(pc.is_valid(alerts["edited_ts"]), pc.invert(alerts["token_proven_at_call"]))
    edited = alerts.filter(is_open)
    edited_ms = dict(zip(edited["alert_id"].to_pylist(), (_whole(edited, "edited_ts") // 1_000).tolist(), strict=True))
    rows = zip(_ids(chosen), chosen.exclusion.tolist(), _tradable(chosen), strict=True)
    for alert_id, exclusion, (_, tradable_ms) in rows:
        if alert_id not in edited_ms:
            continue
        is_hindsight = exclusion == NO_REASON and tradable_ms < edited_ms[alert_id]
        if selection.edited == "accept":
            findings.n_hindsight += is_hindsight
            continue
        findings.checked[EDITED_CALLS_WAIT] += 1
        if is_hindsight:
            seconds = (edited_ms[alert_id] - tradable_ms) / 1_000
            message = f"traded {seconds:g} s before the edit that may have brought its token"
            findings.failures.append(SelectionFailure(EDITED_CALLS_WAIT, alert_id, None, message))


def _compare(
    findings: SelectionFindings,
    check: str,
    base: dict[str, _Choice],
    other: dict[str, _Choice],
    tau_us: int | None,
) -> None:
    findings.checked[check] += len(base)
    for alert_id, choice in base.items():
        found = other.get(alert_id)
        if found != choice:
            message = f"was {_shown(choice)}, became {'nothing' if found is None else _shown(found)}"
            findings.failures.append(SelectionFailure(check, alert_id, tau_us, message))


def _shown(choice: _Choice) -> str:
    reason, tradable_ms, _, caller = choice
    return f"{reason or 'traded'} from {tradable_ms} ms as a call of {caller or 'nobody'}"


def _choices(chosen: ExperimentAlerts) -> dict[str, _Choice]:
    """Reason, time, token and caller by alert."""
    rows = zip(
        _ids(chosen),
        (REASONS[code] for code in chosen.exclusion),
        chosen.tradable_from_ms.tolist(),
        (chosen.tokens[index] for index in chosen.token_index),
        chosen.columns.caller.to_pylist(),
        strict=True,
    )
    return {alert_id: (reason, tradable_ms, token, caller) for alert_id, reason, tradable_ms, token, caller in rows}


def _ids(chosen: ExperimentAlerts) -> list[str]:
    return [str(alert_id) for alert_id in chosen.columns.alert_id.to_pylist()]


def _tradable(chosen: ExperimentAlerts) -> Iterator[tuple[str, int]]:
    return zip(_ids(chosen), chosen.tradable_from_ms.tolist(), strict=True)


def _all_like_one(rows: npt.NDArray[np.bool_], draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """For every row the row itself, and for ``rows`` one of them that is drawn."""
    order = np.arange(len(rows))
    if rows.any():
        order[rows] = draw.choice(order[rows])
    return order


def _with_values_of(alerts: pa.Table, names: Sequence[str], order: npt.NDArray[np.int64]) -> pa.Table:
    """The table in which the columns ``names`` have in each row the value of another: true values, of other alerts."""
    for name in names:
        place = alerts.column_names.index(name)
        alerts = alerts.set_column(place, alerts.field(name), alerts.column(name).take(order))
    return alerts


def _edited_later(alerts: pa.Table) -> pa.Table:
    field = alerts.field("edited_ts")
    later = pc.add(pc.cast(alerts["edited_ts"], pa.int64()), _DAY_US)
    return alerts.set_column(alerts.column_names.index("edited_ts"), field, later.cast(field.type))


def _whole(alerts: pa.Table, name: str) -> npt.NDArray[np.int64]:
    return np.asarray(pc.cast(alerts[name], pa.int64()).to_numpy(), dtype=np.int64)
