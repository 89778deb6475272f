"""Two experiments side by side: what differs is told, what is equal is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.experiments.experiment import (
    Experiment,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
    ExperimentStatus,
)
from quantlab_core.experiments.experiment_tables import ExperimentTables, run_experiment
from quantlab_core.experiments.verification.experiment_diff import (
    ExperimentInputsInFull,
    MemberDifference,
    diff_document,
    experiment_diff,
    trade_differences,
)
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import alerts_table, candles_table, config_of

RISE = candles_table(
    *((minute, 1 + 0.01 * minute, 1.02 + 0.01 * minute, 0.5, 1.01 + 0.01 * minute) for minute in range(120))
)
FLAT = candles_table(*((minute, 1.0, 1.0, 1.0, 1.0) for minute in range(120)))
CANDLES = {Token("solana", "MintA"): RISE, Token("solana", "MintB"): FLAT}


def in_full(experiment_id: str, strategy: dict[str, Any], *members: Artifact, **more: Any) -> ExperimentInputsInFull:
    definition = ExperimentDefinition(
        experiment_id=experiment_id,
        name=experiment_id,
        inputs=ExperimentInputs(("alerts",), ("candles",)),
        config=config_of(strategy, **more),
        provenance=ExperimentProvenance("c" * 40, False, "1.1.0", "2025-05-01T00:00:00.000Z"),
        alert_set_id="set-a",
        candle_set_id="set-c",
    )
    return ExperimentInputsInFull(Experiment(definition, "d", ExperimentStatus.COMPLETED), (), members)


def member(key: str, content: str) -> Artifact:
    return Artifact(
        f"{key}:{content}", "token_candles_v1", 2, key, ArtifactStatus.ACTIVE, "p", "s", "f", content, 1, "t"
    )


def tables(strategy: dict[str, Any], *alerts: dict[str, Any]) -> ExperimentTables:
    calls = alerts or ({"mint": "MintA"}, {"mint": "MintB"}, {"mint": "MintC"})
    return run_experiment(experiment_id="x", config=config_of(strategy), alerts=alerts_table(*calls), candles=CANDLES)


def test_an_experiment_does_not_differ_from_itself() -> None:
    one, found = in_full("a", {}), tables({})
    diff = experiment_diff(one, one, metrics=(found.metrics,) * 2, trades=(found.trades,) * 2)
    assert (diff.inputs, diff.members, diff.config, diff.code, diff.notes) == ((), (), (), (), ())
    assert diff.metrics is not None
    assert {metric.difference for metric in diff.metrics} <= {0.0, None}
    assert diff.trades is not None
    assert (diff.trades.n_equal, diff.trades.trades) == (3, ())


def test_configuration_is_compared_with_its_defaults_written_out() -> None:
    one, other = in_full("a", {"stop_loss": 0.3}), in_full("b", {"stop_loss": 0.4, "fee": 0.02}, seed=7)
    differing = {fact.name: (fact.a, fact.b) for fact in experiment_diff(one, other).config}
    assert differing["strategy.stop_loss"] == (0.3, 0.4)
    assert differing["params.seed"][1] == 7
    assert differing["strategy.fee"][0] is not None, "the default stands for what was not said"
    spelled = in_full("c", {"stop_loss": 0.3, "fee": differing["strategy.fee"][0]})
    assert experiment_diff(one, spelled).config == ()


def test_members_are_added_removed_and_changed() -> None:
    one = in_full("a", {}, member("token=1", "x"), member("token=2", "x"), member("token=3", "x"))
    other = in_full("b", {}, member("token=2", "x"), member("token=3", "y"), member("token=4", "x"))
    assert experiment_diff(one, other).members == (
        MemberDifference("candles", "removed", "token_candles_v1", "token=1", "token=1:x", None),
        MemberDifference("candles", "changed", "token_candles_v1", "token=3", "token=3:x", "token=3:y"),
        MemberDifference("candles", "added", "token_candles_v1", "token=4", None, "token=4:x"),
    )


def test_pinned_artifacts_and_code_are_compared() -> None:
    one, other = in_full("a", {}), in_full("b", {})
    definition = other.experiment.definition
    changed = replace(
        definition,
        caller_aliases_id="aliases",
        provenance=replace(definition.provenance, git_dirty=True, created_at="2026-01-01T00:00:00.000Z"),
    )
    diff = experiment_diff(one, replace(other, experiment=replace(other.experiment, definition=changed)))
    assert [(fact.name, fact.a, fact.b) for fact in diff.inputs] == [("callerAliasesId", None, "aliases")]
    assert [(fact.name, fact.a, fact.b) for fact in diff.code] == [("gitDirty", False, True)]
    assert diff.notes == ("A is completed, B is completed: no results were compared",)


def test_the_trades_that_changed_are_told_largest_first() -> None:
    """MintA rises 1 % a minute with lows at 0.5: held it wins, with a stop at 0.9 it loses; MintB never moves."""
    found = trade_differences(
        tables({"fee": 0, "slippage": 0}).trades, tables({"stop_loss": 0.1, "fee": 0, "slippage": 0}).trades
    )
    assert (found.n_equal, found.n_changed, found.n_only_a, found.n_only_b) == (2, 1, 0, 0)
    assert (found.n_other_entry, found.n_other_exit, found.n_other_return) == (0, 1, 1)
    (trade,) = found.trades
    assert trade.a is not None
    assert trade.b is not None
    assert (trade.a["exit_reason"], trade.b["exit_reason"]) == ("time_exit", "stop_loss")
    assert trade.difference == trade.b["net_return"] - trade.a["net_return"] < 0


def test_alerts_of_one_side_and_another_name_of_the_parameter_set() -> None:
    one, other = tables({}, {"mint": "MintA"}, {"mint": "MintB"}).trades, tables({}, {"mint": "MintA"}).trades
    renamed = other.set_column(1, other.field(1), pa.repeat(pa.scalar("p1"), other.num_rows))
    found = trade_differences(one, renamed)
    assert (found.n_equal, found.n_only_a, found.n_only_b) == (1, 1, 0)
    assert found.trades[0].b is None


def test_the_document_has_no_nulls_and_is_cut_where_asked() -> None:
    one, other = in_full("a", {}), in_full("b", {"stop_loss": 0.1})
    results = tables({}), tables({"stop_loss": 0.1})
    diff = experiment_diff(
        one,
        other,
        metrics=(results[0].metrics, results[1].metrics),
        trades=(results[0].trades, results[1].trades),
    )
    document = diff_document(diff, most_trades=0)
    assert document["trades"]["largest"] == []
    assert document["trades"]["changed"] == 1
    assert not has_null(document)


def has_null(document: object) -> bool:
    if isinstance(document, dict):
        return any(map(has_null, document.values()))
    if isinstance(document, list):
        return any(map(has_null, document))
    return document is None
