"""The audit of the choice of alerts: quantlab's own choices pass, choices with hindsight are caught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.caller_aliases import NO_ALIASES
from quantlab_core.experiments.checked_config import check_config
from quantlab_core.experiments.experiment_alerts import ExperimentAlerts, experiment_alerts
from quantlab_core.experiments.verification.selection_audit import (
    READ_COLUMNS,
    SELECTION_CHECKS,
    Choose,
    SelectionFindings,
    audited_selection,
)
from quantlab_core.simulation.outcome_codes import NOT_FIRST_IN_CHAT
from quantlab_tests.core.experiments.drawn_experiments import alerts_table, config_of

CALLS: tuple[Mapping[str, Any], ...] = tuple(
    {
        "at_s": 60 * number,
        "mint": f"Mint{number % 4}",
        "caller_name_norm": "ann" if number < 6 else "bob" if number % 3 else "cat",
        "alert_chat_id": number % 2,
        "edited_s": 60 * number + 7_000 if number % 5 == 4 else None,
        "price_at_call_usd": float(number),
    }
    for number in range(24)
)


def chooser(**selection: Any) -> tuple[Choose, Any]:
    checked = check_config(config_of(selection=selection))
    return lambda table: experiment_alerts(table, checked, NO_ALIASES), checked.params.selection


def audit(choose: Choose, selection: Any, alerts: pa.Table | None = None) -> SelectionFindings:
    return audited_selection(alerts_table(*CALLS) if alerts is None else alerts, choose, selection, seed=1, instants=6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "at_s": st.integers(0, 5_000),
                "mint": st.sampled_from(("A", "B", "C")),
                "caller_name_norm": st.sampled_from((None, "ann", "bob")),
                "alert_chat_id": st.integers(1, 2),
                "edited_s": st.sampled_from((None, None, 5_100, 9_000)),
            }
        ),
        max_size=14,
    ),
    st.sampled_from(("proven", "accept", "lag")),
    st.sampled_from(("all", "first_in_chat", "first_by_caller")),
)
def test_no_selection_looks_ahead(calls: list[dict[str, Any]], edited: str, remention: str) -> None:
    findings = audit(*chooser(edited=edited, remention=remention), alerts_table(*calls))
    assert findings.failures == []


def test_every_check_looks_at_something() -> None:
    findings = audit(*chooser(remention="first_in_chat"))
    assert set(findings.checked) == set(SELECTION_CHECKS)
    assert min(findings.checked.values()) > 0


def test_accepted_edits_are_counted_as_hindsight_and_not_as_failures() -> None:
    findings = audit(*chooser(edited="accept"))
    assert findings.n_hindsight == sum(call["edited_s"] is not None for call in CALLS)
    assert findings.failures == []


def last_of_its_token(table: pa.Table) -> ExperimentAlerts:
    """A planted leak: of all calls of a token the last one is traded, which nobody knows to be the last."""
    chosen = chooser()[0](table)
    last = {int(token): row for row, token in enumerate(chosen.token_index)}
    exclusion = chosen.exclusion.copy()
    for row, token in enumerate(chosen.token_index):
        if last[int(token)] != row:
            exclusion[row] = NOT_FIRST_IN_CHAT
    return replace(chosen, exclusion=exclusion)


def most_talkative_caller(table: pa.Table) -> ExperimentAlerts:
    """A planted leak: only the caller is traded who called most often over the whole time."""
    chosen = chooser()[0](table)
    callers = chosen.columns.caller.to_pylist()
    (best, _), *_ = Counter(callers).most_common(1) or [(None, 0)]
    exclusion = np.where([caller == best for caller in callers], chosen.exclusion, NOT_FIRST_IN_CHAT)
    return replace(chosen, exclusion=exclusion.astype(np.int8))


def priced_above_the_median(table: pa.Table) -> ExperimentAlerts:
    """A planted leak: a fact beside the call decides."""
    chosen = chooser()[0](table)
    prices = dict(zip(table["alert_id"].to_pylist(), table["price_at_call_usd"].to_pylist(), strict=True))
    dear = [prices[alert_id] > 12 for alert_id in chosen.columns.alert_id.to_pylist()]
    return replace(chosen, exclusion=np.where(dear, chosen.exclusion, NOT_FIRST_IN_CHAT).astype(np.int8))


def edited_soon(table: pa.Table) -> ExperimentAlerts:
    """A planted leak: calls are traded unless they are edited more than a day later, which nobody knows at the call."""
    chosen = chooser(edited="accept")[0](table)
    late = {
        row["alert_id"]
        for row in table.select(["alert_id", "alert_ts_utc", "edited_ts"]).to_pylist()
        if row["edited_ts"] is not None and row["edited_ts"] - row["alert_ts_utc"] > timedelta(hours=24)
    }
    left_out = [alert_id in late for alert_id in chosen.columns.alert_id.to_pylist()]
    return replace(chosen, exclusion=np.where(left_out, NOT_FIRST_IN_CHAT, chosen.exclusion).astype(np.int8))


def before_the_edit(table: pa.Table) -> ExperimentAlerts:
    """A planted leak: calls that wait for their edit are traded from when they were sent."""
    return chooser(edited="accept")[0](table)


@pytest.mark.parametrize(
    ("choose", "check"),
    [
        (last_of_its_token, "later_calls_removed"),
        (last_of_its_token, "later_calls_changed"),
        (most_talkative_caller, "later_calls_removed"),
        (most_talkative_caller, "later_calls_changed"),
        (priced_above_the_median, "other_facts_changed"),
        (edited_soon, "edit_time_changed"),
        (before_the_edit, "edited_calls_wait"),
    ],
)
def test_a_choice_with_hindsight_is_caught(choose: Choose, check: str) -> None:
    _, selection = chooser()
    found = audit(choose, selection)
    failures = [failure for failure in found.failures if failure.check == check]
    assert failures, check
    assert failures[0].alert_id.startswith("alert-")


def test_the_columns_that_a_choice_may_read_are_all_that_it_does_read() -> None:
    choose, _ = chooser(remention="first_by_caller", edited="lag")
    table = alerts_table(*CALLS)
    kept = choose(table.select([name for name in table.column_names if name in READ_COLUMNS]))
    assert np.array_equal(kept.exclusion, choose(table).exclusion)
