from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.errors import (
    ArtifactNotFoundError,
    ConflictError,
    ExperimentNotFoundError,
    IllegalTransitionError,
    LogicalKeyError,
    StrategyError,
)
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.definition_table import definition_hash_of, definition_of, definition_table
from quantlab_core.experiments.experiment import (
    LEGAL_TRANSITIONS,
    ExperimentFilter,
    ExperimentResults,
    ExperimentStatus,
    ExperimentTransition,
)
from quantlab_core.experiments.experiment_tracker import ExperimentTracker
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_tests.resources.experiments.experiment_lake import WRITER, ExperimentLake

PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = ExperimentStatus
WAY_TO = {
    PENDING: (),
    RUNNING: (RUNNING,),
    COMPLETED: (RUNNING, COMPLETED),
    FAILED: (RUNNING, FAILED),
    CANCELLED: (CANCELLED,),
}


def ids(experiments: list[object]) -> list[str]:
    return [experiment.definition.experiment_id for experiment in experiments]  # type: ignore[attr-defined]


def test_the_tracker_is_an_experiment_tracker(lake: ExperimentLake) -> None:
    port: ExperimentTracker = lake.tracker
    assert port.list(ExperimentFilter()) == []


def test_a_definition_comes_back_from_its_table_as_it_went_in(lake: ExperimentLake) -> None:
    definition = replace(lake.definition(), description="Müller's idea")
    table = definition_table(definition, "hash")
    assert table.schema == EXPERIMENT_DEFINITION.schema
    assert definition_of(table) == definition
    assert definition_hash_of(table) == "hash"


def test_a_new_experiment_is_pending_and_its_definition_is_an_artifact_made_of_the_frozen_sets(
    lake: ExperimentLake,
) -> None:
    definition = lake.definition()
    experiment = lake.tracker.create(definition)
    assert (experiment.status, experiment.outputs, experiment.execution) == (PENDING, None, None)
    assert experiment.definition == definition
    artifact = lake.store.get_artifact(experiment.definition_artifact_id)
    assert artifact.logical_key == "experiment=first/definition"
    direct = [
        edge for edge in lake.store.get_lineage(artifact.artifact_id).edges if edge.artifact_id == artifact.artifact_id
    ]
    assert {edge.input_artifact_id for edge in direct} == {definition.alert_set_id, definition.candle_set_id}


def test_creating_an_equal_definition_returns_the_one_that_is_there(lake: ExperimentLake) -> None:
    definition = lake.definition()
    first = lake.tracker.create(definition)
    again = lake.tracker.create(
        replace(definition, name="Other words", provenance=replace(definition.provenance, git_commit="feed"))
    )
    assert again == first
    assert len(lake.store.find_by_logical_key(EXPERIMENT_DEFINITION.name, "experiment=first/definition")) == 1
    assert len(lake.store.journal.entries("first")) == 1


def test_a_strategy_that_writes_its_defaults_out_is_the_same_definition(lake: ExperimentLake) -> None:
    definition = lake.definition()
    first = lake.tracker.create(definition)
    strategy = {**definition.config.strategy, "entry_mode": "next_open"}
    assert lake.tracker.create(replace(definition, config=replace(definition.config, strategy=strategy))) == first


def test_another_definition_under_the_same_id_is_a_conflict_and_changes_nothing(lake: ExperimentLake) -> None:
    first = lake.tracker.create(lake.definition())
    with pytest.raises(ConflictError, match="first exists with another definition"):
        lake.tracker.create(lake.definition(strategy="momentum"))
    assert lake.tracker.get("first") == first


def test_eight_processes_that_create_the_same_experiment_get_one(lake: ExperimentLake) -> None:
    definition = lake.definition()
    table = definition_table(definition, lake.tracker.definition_hash(definition))
    code = (
        "import sys; from dataclasses import replace; from quantlab_resources.lake_paths import LakePaths\n"
        "from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore\n"
        "from quantlab_resources.clock import SystemClock\n"
        "from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker\n"
        "from quantlab_core.experiments.experiment_identity import decode_definition\n"
        "store = ParquetArtifactStore(LakePaths.from_environment(sys.argv[1], {}), clock=SystemClock())\n"
        "definition = decode_definition(sys.argv[2])\n"
        "provenance = replace(definition.provenance, git_commit=sys.argv[3])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "tracker = ArtifactExperimentTracker(store)\n"
        "print(tracker.create(replace(definition, provenance=provenance)).definition_artifact_id)"
    )
    text = table.column("definition_json")[0].as_py()
    creators = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(lake.store.paths.home), text, f"commit{i}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(8)
    ]
    for creator in creators:
        assert creator.stdout is not None
        assert creator.stdout.readline() == "ready\n"
    for creator in creators:
        assert creator.stdin is not None
        creator.stdin.write("go\n")
        creator.stdin.flush()
    answers = {creator.communicate(timeout=240)[0] for creator in creators}
    assert answers == {f"{lake.tracker.get('first').definition_artifact_id}\n"}
    assert [entry.status for entry in lake.store.journal.entries("first")] == [PENDING]
    assert len(lake.store.heads(EXPERIMENT_DEFINITION.name)) == 1


def test_a_creation_that_is_refused_leaves_nothing(lake: ExperimentLake) -> None:
    definition = lake.definition()
    refused = {
        ArtifactNotFoundError: replace(definition, alert_set_id="nobody"),
        LogicalKeyError: replace(definition, experiment_id="../first"),
        StrategyError: replace(definition, config=replace(definition.config, strategy={"stop_los": 0.1})),
    }
    for error, bad in refused.items():
        with pytest.raises(error):
            lake.tracker.create(bad)
    assert lake.tracker.list(ExperimentFilter()) == []
    assert lake.store.heads(EXPERIMENT_DEFINITION.name) == []


@pytest.mark.parametrize("experiment_id", ["nobody", "../x", "", "a\0b", "x" * 5_000])
def test_what_was_never_created_is_not_found(lake: ExperimentLake, experiment_id: str) -> None:
    with pytest.raises(ExperimentNotFoundError, match="not found"):
        lake.tracker.get(experiment_id)
    with pytest.raises(ExperimentNotFoundError, match="not found"):
        lake.tracker.update_status(experiment_id, RUNNING)
    with pytest.raises(ExperimentNotFoundError, match="not found"):
        lake.tracker.store_results(experiment_id, ExperimentResults(trades_artifact_id="x"))


def test_a_definition_that_was_published_but_never_journaled_can_be_created(lake: ExperimentLake) -> None:
    definition = lake.definition()
    table = definition_table(definition, lake.tracker.definition_hash(definition))
    key = "experiment=first/definition"
    lake.store.publish(PublishRequest(EXPERIMENT_DEFINITION.name, 1, key, table, WRITER))
    with pytest.raises(ExperimentNotFoundError, match="was never created"):
        lake.tracker.get("first")
    assert lake.tracker.create(definition).status is PENDING


@pytest.mark.parametrize("new", list(ExperimentStatus))
@pytest.mark.parametrize("current", list(ExperimentStatus))
def test_only_legal_changes_of_status_are_journaled(
    lake: ExperimentLake, current: ExperimentStatus, new: ExperimentStatus
) -> None:
    lake.tracker.create(lake.definition())
    for status in WAY_TO[current]:
        lake.tracker.update_status("first", status)
    if new in LEGAL_TRANSITIONS[current]:
        lake.tracker.update_status("first", new)
        assert lake.tracker.get("first").status is new
    else:
        with pytest.raises(IllegalTransitionError, match="experiment first"):
            lake.tracker.update_status("first", new)
        assert lake.tracker.get("first").status is current


def test_every_run_is_an_attempt_with_its_own_times_error_and_results(lake: ExperimentLake) -> None:
    lake.tracker.create(lake.definition())
    lake.tracker.update_status("first", RUNNING)
    trades = lake.publish("trades", "part=1", 1).artifact_id
    lake.tracker.store_results("first", ExperimentResults(trades_artifact_id=trades))
    lake.tracker.update_status("first", FAILED, error="no candles")
    failed = lake.tracker.get("first")
    assert failed.execution is not None
    assert (failed.execution.attempt, failed.execution.error) == (1, "no candles")
    assert failed.execution.duration_s is not None
    assert failed.execution.duration_s >= 0
    lake.tracker.update_status("first", RUNNING)
    again = lake.tracker.get("first")
    assert again.execution is not None
    assert (again.execution.attempt, again.execution.error, again.execution.completed_at) == (2, None, None)
    assert again.outputs is None


def test_results_that_are_published_with_the_transition_are_the_outputs(lake: ExperimentLake) -> None:
    lake.tracker.create(lake.definition())
    lake.tracker.update_status("first", RUNNING)
    key = "experiment=first/metrics"
    (result,) = lake.store.publish_many(
        [lake.metrics("first", 0.5)], transition=ExperimentTransition("first", COMPLETED, output_keys={"metrics": key})
    )
    done = lake.tracker.get("first")
    assert done.status is COMPLETED
    assert done.outputs == ExperimentResults(metrics_artifact_id=result.artifact_id)


def test_results_of_a_completed_experiment_stay(lake: ExperimentLake) -> None:
    lake.tracker.create(lake.definition())
    one, two = lake.publish("trades", "part=1", 1).artifact_id, lake.publish("trades", "part=2", 2).artifact_id
    with pytest.raises(ConflictError, match="is pending and has no results"):
        lake.tracker.store_results("first", ExperimentResults(trades_artifact_id=one))
    lake.tracker.update_status("first", RUNNING)
    with pytest.raises(ArtifactNotFoundError, match="not found: output nobody"):
        lake.tracker.store_results("first", ExperimentResults(trades_artifact_id="nobody"))
    lake.tracker.store_results("first", ExperimentResults(trades_artifact_id=one))
    lake.tracker.update_status("first", COMPLETED)
    lake.tracker.store_results("first", ExperimentResults(trades_artifact_id=one))
    lake.tracker.store_results("first", ExperimentResults(curves_artifact_id=two))
    with pytest.raises(ConflictError, match="is completed with trades"):
        lake.tracker.store_results("first", ExperimentResults(trades_artifact_id=two))
    assert lake.tracker.get("first").outputs == ExperimentResults(trades_artifact_id=one, curves_artifact_id=two)


def test_the_list_is_newest_first_and_every_condition_must_hold(lake: ExperimentLake) -> None:
    for day, name in ((1, "old"), (2, "middle"), (3, "new")):
        lake.tracker.create(
            lake.definition(name, git_commit=f"commit-{name}", created_at=f"2025-06-0{day}T12:00:00.000Z")
        )
    lake.tracker.update_status("old", RUNNING)

    def listed(**conditions: object) -> list[str]:
        return ids(list(lake.tracker.list(ExperimentFilter(**conditions))))  # type: ignore[arg-type]

    assert listed() == ["new", "middle", "old"]
    assert listed(limit=2) == ["new", "middle"]
    assert listed(limit=0) == []
    assert listed(status=RUNNING) == ["old"]
    assert listed(status=PENDING, limit=1) == ["new"]
    assert listed(git_commit="commit-middle") == ["middle"]
    assert listed(min_created_at="2025-06-02") == ["new", "middle"]
    assert listed(max_created_at="2025-06-02") == ["middle", "old"]
    assert listed(min_created_at="2025-06-02T12:00:00.001Z") == ["new"]
    assert listed(artifact_type="prices") == ["new", "middle", "old"]
    assert listed(artifact_type="artifact_set") == ["new", "middle", "old"]
    assert listed(artifact_type="weather") == []
    assert listed(status=RUNNING, git_commit="commit-new") == []


def test_experiments_are_found_by_what_they_used_directly_or_through_sets(lake: ExperimentLake) -> None:
    a, b = lake.publish("calls", "part=a", 1), lake.publish("calls", "part=b", 2)
    prices = lake.publish("prices", "part=p", 3)
    given = lake.frozen_set("alerts", "given", [b])
    one = lake.definition("one", alerts=[a], ohlcv=[prices])
    two = lake.definition("two", alerts=[given], ohlcv=[prices])
    lake.tracker.create(one)
    lake.tracker.create(replace(two, inputs=replace(two.inputs, strategies=("my-strategy",))))
    unused = lake.publish("calls", "part=z", 9)

    def found(match: str, *artifact_ids: str) -> list[str]:
        return ids(list(lake.tracker.find_by_input_artifacts(artifact_ids, match)))  # type: ignore[arg-type]

    assert found("any", a.artifact_id) == ["one"]
    assert found("any", b.artifact_id) == ["two"]  # member of a set that is itself a member of the frozen set
    assert found("any", given.artifact_id) == ["two"]
    assert found("any", prices.artifact_id) == ["two", "one"]
    assert found("any", one.alert_set_id) == ["one"]
    assert found("any", "my-strategy") == ["two"]
    assert found("any", a.artifact_id, b.artifact_id) == ["two", "one"]
    assert found("all", a.artifact_id, b.artifact_id) == []
    assert found("all", a.artifact_id, prices.artifact_id, prices.artifact_id) == ["one"]
    assert found("all", b.artifact_id, "nobody") == []
    assert found("any", b.artifact_id, "nobody") == ["two"]
    assert found("any", unused.artifact_id) == []
    assert found("any") == []
    assert found("all") == []


def test_what_merely_was_made_from_an_artifact_is_not_used_by_it(lake: ExperimentLake) -> None:
    raw = lake.publish("raw", "part=a", 1)
    made = PublishRequest("calls", 1, "part=a", definition_table(lake.definition("x"), "h"), WRITER)
    calls = lake.store.publish(replace(made, input_artifact_ids=[raw.artifact_id])).artifact
    lake.tracker.create(lake.definition("one", alerts=[calls]))
    assert lake.tracker.find_by_input_artifacts([raw.artifact_id]) == []
    assert ids(list(lake.tracker.find_by_input_artifacts([calls.artifact_id]))) == ["one"]


def test_another_tracker_on_the_same_lake_sees_the_same(lake: ExperimentLake) -> None:
    lake.tracker.create(lake.definition())
    lake.tracker.update_status("first", RUNNING)
    assert ArtifactExperimentTracker(lake.store).get("first") == lake.tracker.get("first")
