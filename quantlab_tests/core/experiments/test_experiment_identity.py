"""Identity of experiments: what changes it, what does not, and the definition's way through JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from quantlab_core.artifacts.logical_key import is_key_value
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment import (
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
)
from quantlab_core.experiments.experiment_identity import (
    decode_definition,
    definition_hash,
    encode_definition,
    experiment_id_for,
)
from quantlab_tests.core.experiments.drawn_experiments import config_of


def hash_of(config: ExperimentConfig, **change: str) -> str:
    inputs = {"alert_set_content_hash": "a", "candle_set_content_hash": "c", "engine_version": "1.0.0"} | change
    return definition_hash(config=config, **inputs)  # type: ignore[arg-type]


BASE = config_of({"stop_loss": 0.2}, from_="2025-05-01", to="2025-05-31")


@pytest.mark.parametrize(
    "same",
    [
        config_of({"stop_loss": 0.2, "fee": 0, "stake": 1.0}, from_="2025-05-01", to="2025-05-31"),
        config_of({"stop_loss": 0.2, "name": "x", "description": "y"}, from_="2025-05-01", to="2025-05-31"),
        config_of({"stop_loss": 0.2, "limit_pct": None}, from_="2025-05-01T00:00:00Z", to="2025-06-01T00:00:00Z"),
        config_of({"stop_loss": 0.2}, from_="2025-05-01", to="2025-05-31", seed=0, stress={}, portfolio={}),
    ],
)
def test_configurations_that_mean_the_same_have_one_hash(same: ExperimentConfig) -> None:
    assert hash_of(same) == hash_of(BASE)


@pytest.mark.parametrize(
    "other",
    [
        config_of({"stop_loss": 0.21}, from_="2025-05-01", to="2025-05-31"),
        config_of({"stop_loss": 0.2}, from_="2025-05-02", to="2025-05-31"),
        config_of({"stop_loss": 0.2}, from_="2025-05-01"),
        config_of({"stop_loss": 0.2}, from_="2025-05-01", to="2025-05-31", seed=1),
        config_of({"stop_loss": 0.2}, from_="2025-05-01", to="2025-05-31", stress={"dead_token": "zero"}),
        config_of({"stop_loss": 0.2}, from_="2025-05-01", to="2025-05-31", selection={"edited": "lag"}),
        config_of({"stop_loss": 0.2}, from_="2025-05-01", to="2025-05-31", portfolio={"max_open": 3}),
    ],
)
def test_whatever_can_change_a_result_changes_the_hash(other: ExperimentConfig) -> None:
    assert hash_of(other) != hash_of(BASE)


def test_inputs_and_engine_are_part_of_the_identity() -> None:
    changes: list[dict[str, str]] = [
        {}, {"alert_set_content_hash": "b"}, {"candle_set_content_hash": "b"}, {"engine_version": "2.0.0"},
    ]  # fmt: skip
    hashes = {hash_of(BASE, **change) for change in changes}
    assert len(hashes) == 4
    assert all(len(each) == 64 for each in hashes)


def test_caller_aliases_are_part_of_the_identity_where_there_are_any() -> None:
    hashes = {hash_of(BASE), *(hash_of(BASE, caller_aliases_content_hash=aliases) for aliases in ("x", "y"))}
    assert len(hashes) == 3


def test_the_hash_is_frozen() -> None:
    # Changing it would rename every experiment: raise the engine version instead.
    assert hash_of(BASE) == "bdad22cbd3c3d48a81c32f16fa23264ce9fd4472be8036a1c31ed3537307569f"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Momentum, May 2025!", "momentum-may-2025"),
        ("Überflieger", "uberflieger"),
        ("../../etc/passwd", "etc-passwd"),
        ("😀", "experiment"),
        ("x" * 500, "x" * 60),
    ],
)
def test_ids_are_readable_and_fit_for_keys(name: str, slug: str) -> None:
    experiment_id = experiment_id_for(name, "0123456789abcdef")
    assert experiment_id == f"{slug}__01234567"
    assert is_key_value(experiment_id)


DEFINITION = ExperimentDefinition(
    experiment_id="x__01234567",
    name="x",
    description="ä",
    inputs=ExperimentInputs(("a1", "a2"), ("o1",), ("s1",)),
    config=config_of({"take_profit": [[0.5, 0.5]]}, from_="2025-05-01", seed=3),
    provenance=ExperimentProvenance("abc", True, "1.0.0", "2025-06-01T00:00:00Z"),
    alert_set_id="as",
    candle_set_id="cs",
)


@pytest.mark.parametrize(
    "definition",
    [
        DEFINITION,
        replace(DEFINITION, description=None, inputs=ExperimentInputs((), ())),
        replace(DEFINITION, caller_aliases_id="ca"),
    ],
)
def test_a_definition_survives_the_way_through_json(definition: ExperimentDefinition) -> None:
    assert decode_definition(encode_definition(definition)) == definition


def test_the_json_has_the_names_of_the_interface_and_no_nulls() -> None:
    document: dict[str, Any] = json.loads(encode_definition(replace(DEFINITION, description=None)))
    assert document["experimentId"] == "x__01234567"
    assert document["inputs"] == {"alerts": ["a1", "a2"], "ohlcv": ["o1"], "strategies": ["s1"]}
    assert document["config"]["dateRange"] == {"from": "2025-05-01"}
    assert set(document["provenance"]) == {"gitCommit", "gitDirty", "engineVersion", "createdAt"}
    assert not {"description", "callerAliasesId"} & set(document)
    text = encode_definition(DEFINITION)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "message"), [("{}", "inputs is missing"), ("[", "not the JSON object"), ("[]", "not the JSON")]
)
def test_a_damaged_definition_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        decode_definition(text)


def test_a_definition_with_nan_cannot_be_written() -> None:
    with pytest.raises(InvalidInputError, match="not expressible as JSON"):
        encode_definition(replace(DEFINITION, config=config_of({"fee": float("nan")})))
