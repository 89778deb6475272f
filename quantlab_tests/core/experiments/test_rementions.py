"""First calls only: of the chat, of the person; known at the time, and counted over all alerts that were frozen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases, parse_aliases
from quantlab_core.experiments.experiment_tables import run_experiment
from quantlab_core.experiments.listed_calls import listed_calls
from quantlab_core.experiments.rementions import rementions
from quantlab_core.experiments.selection import Selection, is_left_out_as_edited, tradable_from_us
from quantlab_tests.core.experiments.drawn_experiments import alerts_table, config_of

ANN = parse_aliases({"callers": {"ann": ["user7", "annie"]}})


def reasons(
    selection: dict[str, Any], *alerts: dict[str, Any], aliases: CallerAliases = NO_ALIASES, **bounds: str
) -> dict[str, str]:
    """Alert → why it made no trade; a call that was selected finds no candles."""
    tables = run_experiment(
        experiment_id="exp",
        config=config_of(selection=selection, **bounds),
        alerts=alerts_table(*alerts),
        candles={},
        aliases=aliases,
    )
    return {row["alert_id"]: row["reason"] for row in tables.trades.to_pylist()}


CALLS = (
    {"alert_id": "a", "at_s": 0},
    {"alert_id": "b", "at_s": 1, "caller_name_norm": "bob"},
    {"alert_id": "c", "at_s": 2, "alert_chat_id": 2},
    {"alert_id": "d", "at_s": 3, "alert_chat_id": 2, "caller_name_norm": "cid"},
    {"alert_id": "e", "at_s": 4, "mint": "MintB"},
)


@pytest.mark.parametrize(
    ("remention", "repeated"),
    [("all", set()), ("first_in_chat", {"b", "d"}), ("first_by_caller", {"c"})],
)
def test_calls_of_a_token_that_was_called_before_are_left_out(remention: str, repeated: set[str]) -> None:
    found = reasons({"remention": remention}, *CALLS)
    assert {alert for alert, reason in found.items() if reason == f"not_{remention}"} == repeated
    assert {reason for alert, reason in found.items() if alert not in repeated} == {"no_candle_series"}


def test_calls_before_the_range_and_of_other_callers_are_first_calls_too() -> None:
    earlier = {"alert_id": "early", "at_s": -90_000}
    chosen = {"remention": "first_in_chat", "callers": ["bob"]}
    bob = {"alert_id": "late", "at_s": 5, "caller_name_norm": "bob"}
    assert reasons(chosen, earlier, bob, from_="2025-05-01") == {"late": "not_first_in_chat"}
    assert reasons(chosen, bob, from_="2025-05-01") == {"late": "no_candle_series"}


def test_the_aliases_of_a_person_are_one_caller() -> None:
    alerts = (
        {"alert_id": "a", "at_s": 0, "caller_id": "user7", "caller_name_norm": "whoever"},
        {"alert_id": "b", "at_s": 1, "caller_name_norm": "annie"},
        {"alert_id": "c", "at_s": 2, "caller_name_norm": "bob"},
    )
    first = {"remention": "first_by_caller"}
    assert "not_first_by_caller" not in reasons(first, *alerts).values()
    assert reasons(first, *alerts, aliases=ANN)["b"] == "not_first_by_caller"
    for meant in ("ann", "Annie", "user7"):
        found = reasons({"callers": [meant]}, *alerts, aliases=ANN)
        assert found == {"a": "no_candle_series", "b": "no_candle_series", "c": "caller_not_selected"}


def test_callers_in_trades_and_metrics_are_the_persons() -> None:
    tables = run_experiment(
        experiment_id="exp", config=config_of(), candles={}, aliases=ANN,
        alerts=alerts_table(
            {"caller_id": "user7", "caller_name_norm": "x"}, {"caller_name_norm": "annie"}, {"caller_name_norm": "bob"}
        ),
    )  # fmt: skip
    assert tables.trades["caller"].to_pylist() == ["ann", "ann", "bob"]
    counts = {row["scope_key"]: row["n"] for row in tables.metrics.to_pylist() if row["metric"] == "n_alerts"}
    assert counts == {"all": 3, "ann": 2, "bob": 1, "2025-04": 3}


def test_a_token_written_into_an_old_message_does_not_make_the_first_real_call_a_repetition() -> None:
    written_in = {"alert_id": "old", "at_s": 0, "edited_s": 500}
    real = {"alert_id": "real", "at_s": 100}
    for edited, expected in {
        "proven": {"old": "edited_call", "real": "no_candle_series"},
        "lag": {"old": "not_first_in_chat", "real": "no_candle_series"},
        "accept": {"old": "no_candle_series", "real": "not_first_in_chat"},
    }.items():
        assert reasons({"remention": "first_in_chat", "edited": edited}, written_in, real) == expected


DRAWN = st.lists(
    st.fixed_dictionaries(
        {
            "at_s": st.integers(0, 6),
            "mint": st.sampled_from(["MintA", "MintB"]),
            "alert_chat_id": st.integers(1, 2),
            "caller_id": st.none() | st.sampled_from(["user7", "user8"]),
            "caller_name_norm": st.none() | st.sampled_from(["annie", "bob"]),
            "edited_s": st.none() | st.integers(6, 12),
        }
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(DRAWN, st.sampled_from(["first_in_chat", "first_by_caller"]), st.sampled_from(["proven", "accept", "lag"]))
def test_of_every_token_and_group_or_person_exactly_the_earliest_known_call_is_first(
    alerts: list[dict[str, Any]], remention: Any, edited: Any
) -> None:
    selection = Selection(edited=edited, remention=remention)
    calls = listed_calls(alerts_table(*alerts), ANN)
    repeated = rementions(calls, selection)
    counted = [call for call in calls if not is_left_out_as_edited(call, selection)]
    groups: dict[tuple[object, ...], list[Any]] = {}
    for call in counted:
        by = call.chat_id if remention == "first_in_chat" else call.person or call.chat_id
        groups.setdefault((call.token, by), []).append(call)
    for group in groups.values():
        (first,) = [call for call in group if call.alert_id not in repeated]
        assert tradable_from_us(first, selection) == min(tradable_from_us(call, selection) for call in group)
    assert repeated <= {call.alert_id for call in counted}
    assert rementions(list(reversed(calls)), selection) == repeated
    assert rementions(calls, Selection(edited=edited)) == frozenset()
