"""Parameters of an experiment beside its strategy: accepted forms, and refusals that name the key."""

from __future__ import annotations

from typing import Any

import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.alert_range import parse_alert_range
from quantlab_core.experiments.experiment import DateRange
from quantlab_core.experiments.experiment_params import ExperimentParams, params_mapping, parse_params

FULL: dict[str, Any] = {
    "portfolio": {
        "starting_capital": 5_000.0, "sizing": "fraction_of_equity", "stake": 0.1, "max_open": 4, "one_per_token": True,
    },
    "selection": {
        "coverage": "accept", "remention": "first_in_chat", "edited": "lag", "callers": ["ann", "bob"],
        "chains": ["base", "solana"],
    },
    "stress": {"dead_token": "zero"},
    "seed": 42,
}  # fmt: skip


def test_parameters_survive_the_way_to_their_mapping_and_back() -> None:
    assert params_mapping(parse_params(FULL)) == FULL
    assert parse_params(params_mapping(ExperimentParams())) == parse_params({}) == ExperimentParams()


def test_proven_and_its_earlier_word_are_one_choice_and_name_experiments_as_before() -> None:
    said = parse_params({"selection": {"edited": "proven"}})
    assert said == parse_params({"selection": {"edited": "exclude"}}) == parse_params({})
    assert params_mapping(said)["selection"] == {"coverage": "accept", "remention": "all", "edited": "exclude"}


def test_what_is_done_with_poorly_covered_alerts_is_kept_and_accept_names_experiments_as_before() -> None:
    for policy in ("accept", "exclude", "refuse"):
        said = parse_params({"selection": {"coverage": policy}})
        assert params_mapping(said)["selection"]["coverage"] == policy
        assert (said == parse_params({})) == (policy == "accept")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"portfollio": {}}, "params: unknown key 'portfollio'; did you mean 'portfolio'?"),
        ({"portfolio": {"max_opne": 1}}, "portfolio: unknown key 'max_opne'; did you mean 'max_open'?"),
        ({"portfolio": 3}, "portfolio: expected a mapping"),
        ({"selection": {"edit": "lag"}}, "selection: unknown key 'edit'; did you mean 'edited'?"),
        ({"selection": {"edited": "maybe"}}, "selection: edited must be one of proven, accept, lag"),
        ({"selection": {"remention": "first"}}, "selection: remention must be one of"),
        ({"selection": {"coverage": "drop"}}, "selection: coverage must be one of accept, exclude, refuse"),
        (
            {"selection": {"chains": ["solna"]}},
            "selection: chains has the unknown chain 'solna'; did you mean 'solana'?",
        ),
        ({"selection": {"chains": "solana"}}, "selection: chains must be a list"),
        ({"selection": {"callers": []}}, "selection: callers must be a list of one or more texts"),
        ({"stress": {"dead_token": "half"}}, "stress: dead_token must be one of last_close, zero"),
        ({"seed": -1}, "params: seed must be from 0 to"),
        ({"seed": 1.5}, "params: seed must be a whole number"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_params(params)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("from_", "to", "message"),
    [
        ("2025-05-02", "2025-05-01", "from 2025-05-02 is not before to 2025-05-01"),
        ("2025-13-01", None, "from '2025-13-01' is neither a date"),
        (None, "yesterday", "to 'yesterday' is neither a date"),
        ("2025-05-01T00:00:00", None, "from '2025-05-01T00:00:00' has no time zone; write 2025-05-01T00:00:00Z"),
        (None, "9999-12-31", "to '9999-12-31' is neither"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused(from_: str | None, to: str | None, message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_alert_range(DateRange(from_, to))
    assert message in str(refusal.value)


def test_one_day_is_a_range() -> None:
    day = parse_alert_range(DateRange("2025-05-01", "2025-05-01"))
    assert day.mapping() == {"from": "2025-05-01T00:00:00+00:00", "to": "2025-05-02T00:00:00+00:00"}
