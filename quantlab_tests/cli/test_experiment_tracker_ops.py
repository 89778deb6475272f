"""The JSON operations on experiments as a program of another language meets them: by starting the script."""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quantlab_cli.experiment_operations import OPERATIONS, answer
from quantlab_core.errors import (
    ConflictError,
    ExperimentNotFoundError,
    IllegalTransitionError,
    InvalidInputError,
    QuantlabError,
)
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_resources.experiments.experiment_lock import INTERRUPTED, attempt_lock, heal_interrupted
from quantlab_resources.lab import Lab
from quantlab_resources.strategies.known_strategies import find_strategy, publish_strategy
from quantlab_tests.cli import response_schemas as schemas
from quantlab_tests.cli.json_callers import ROOT, Answer, call
from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.cli.test_json_start_up import heavy_imports, logged
from quantlab_tests.copied_lake import copied_lake

SCRIPT = ROOT / "quantlab_cli" / "experiment_tracker_ops.py"
PROVENANCE = {
    "gitCommit": "f00d", "gitDirty": True, "engineVersion": "their-engine-7", "createdAt": "2025-06-01T12:00:00.000Z",
}  # fmt: skip


class Caller:
    """The client of the requirement: it names the index of experiments in every request."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.db_path = home / "data" / "experiments.duckdb"

    def call(self, operation: str, **fields: Any) -> Answer:
        """The answer of the script."""
        request = {"operation": operation, "db_path": str(self.db_path), **fields}
        return call(request, command=(sys.executable, SCRIPT))

    def ask(self, operation: str, **fields: Any) -> Any:
        """The same in this process."""
        return answer({"operation": operation, "db_path": str(self.db_path), **fields})

    def define(self, experiment_id: str, **fields: Any) -> dict[str, Any]:
        alerts, candles = (
            next(head for head in Lab(self.home).artifacts.heads("artifact_set", f"of={of}/selection=current"))
            for of in ("alerts", "candles")
        )
        return {
            "experimentId": experiment_id,
            "name": f"Experiment {experiment_id}",
            "inputs": {"alerts": [alerts.artifact_id], "ohlcv": [candles.artifact_id]},
            "config": {
                "strategy": {"name": "momentum"},
                "dateRange": {"from": "2025-05-01", "to": "2025-05-31"},
                "params": {},
            },
            **fields,
        }


@pytest.fixture(scope="module")
def caller(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    """A copy of the lake, whose one experiment is completed; each test adds experiments of its own."""
    home = tmp_path_factory.mktemp("tracker") / "lake"
    copied_lake(small_lake.home, home)
    return Caller(home)


def experiment(document: Any) -> dict[str, Any]:
    schemas.EXPERIMENT.validate_python(document)
    assert not has_null(document)
    return dict(document)


def has_null(document: object) -> bool:
    if isinstance(document, dict):
        return any(map(has_null, document.values()))
    if isinstance(document, list):
        return any(map(has_null, document))
    return document is None


def outputs_of(caller: Caller, experiment_id: str) -> dict[str, str]:
    outputs = caller.ask("get_experiment", experiment_id=experiment_id)["outputs"]
    return {f"{name}ArtifactId": artifact_id for name, artifact_id in outputs.items()}


def test_an_experiment_is_created_as_it_was_defined(caller: Caller) -> None:
    definition = caller.define("from-outside", description="theirs", provenance=PROVENANCE)
    created = experiment(caller.call("create_experiment", definition=definition).result)
    assert (created["status"], created["description"]) == ("pending", "theirs")
    assert created["provenance"] == PROVENANCE
    assert {name: created["inputs"][name] for name in ("alerts", "ohlcv")} == definition["inputs"]
    assert len(created["inputs"]["strategies"]) == 1
    assert created["config"]["dateRange"] == definition["config"]["dateRange"]
    assert created["config"]["strategy"]["trailing_stop"] == 0.3
    assert experiment(caller.call("get_experiment", experiment_id="from-outside").result) == created
    assert caller.ask("create_experiment", definition=definition) == created


def test_without_a_provenance_that_of_this_code_is_recorded(caller: Caller) -> None:
    created = experiment(caller.ask("create_experiment", definition=caller.define("ours")))
    assert created["provenance"]["engineVersion"] == ENGINE_VERSION
    assert set(created["provenance"]) >= {"environment", "determinism"}


def test_an_experiment_created_here_runs_from_the_command_line(caller: Caller, small_lake: SmallLake) -> None:
    caller.ask("create_experiment", definition=caller.define("both-ways"))
    lake = SmallLake(caller.home, small_lake.export, small_lake.candles, "both-ways")
    executed = lake.call("experiments", "execute", "both-ways")
    assert executed.exit_code == 0, executed.output
    found = experiment(caller.ask("get_experiment", experiment_id="both-ways"))
    assert found["status"] == "completed"
    assert set(found["outputs"]) >= {"trades", "metrics", "curves", "diagnostics"}


def test_another_definition_under_the_id_is_a_conflict(caller: Caller) -> None:
    caller.ask("create_experiment", definition=caller.define("taken"))
    other = caller.define("taken")
    other["config"]["strategy"] = {"name": "mine", "max_hold_min": 30}
    with pytest.raises(ConflictError, match="taken"):
        caller.ask("create_experiment", definition=other)


def test_a_program_that_runs_an_experiment_itself_reports_it_from_start_to_end(
    caller: Caller, small_lake: SmallLake
) -> None:
    """While it runs, whoever looks leaves its attempt alone, although no process of ours holds a lock."""
    outputs = outputs_of(caller, small_lake.experiment_id)
    lake = SmallLake(caller.home, small_lake.export, small_lake.candles, "theirs")
    caller.ask("create_experiment", definition=caller.define("theirs", provenance=PROVENANCE))
    assert caller.call("update_status", experiment_id="theirs", status="running").result == {"success": True}
    assert lake.json("experiments", "get", "theirs")["status"] == "running"
    assert [one["experimentId"] for one in lake.json("experiments", "list", "--status", "running")] == ["theirs"]
    with pytest.raises(ConflictError, match="has no results"):
        caller.ask("update_status", experiment_id="theirs", status="completed")
    assert caller.call("store_results", experiment_id="theirs", results=outputs).result == {"success": True}
    assert caller.ask("update_status", experiment_id="theirs", status="completed") == {"success": True}
    found = experiment(caller.ask("get_experiment", experiment_id="theirs"))
    assert found["status"] == "completed"
    assert found["outputs"]["trades"] == outputs["tradesArtifactId"]
    assert found["execution"]["completedAt"]
    with pytest.raises(IllegalTransitionError):
        caller.ask("update_status", experiment_id="theirs", status="running")


def test_an_attempt_of_another_program_bars_ours_until_it_is_cancelled(caller: Caller, small_lake: SmallLake) -> None:
    lake = SmallLake(caller.home, small_lake.export, small_lake.candles, "held")
    caller.ask("create_experiment", definition=caller.define("held"))
    caller.ask("update_status", experiment_id="held", status="running")
    refused = lake.call("experiments", "execute", "held")
    assert refused.exit_code == 1
    assert "being run by another program" in refused.stderr
    assert lake.call("experiments", "cancel", "held").exit_code == 0
    assert lake.call("experiments", "execute", "held").exit_code == 0


def test_an_attempt_after_an_outside_one_that_dies_is_healed(caller: Caller) -> None:
    """The note of an earlier attempt says nothing about a later one."""
    lab = Lab(caller.home)
    caller.ask("create_experiment", definition=caller.define("later"))
    caller.ask("update_status", experiment_id="later", status="running")
    caller.ask("update_status", experiment_id="later", status="failed", error="out of memory")
    assert caller.ask("get_experiment", experiment_id="later")["execution"]["error"] == "out of memory"
    lab.experiments.update_status("later", ExperimentStatus.RUNNING)
    assert heal_interrupted(lab.experiments, "later", home=caller.home)
    assert caller.ask("get_experiment", experiment_id="later")["execution"]["error"] == INTERRUPTED


def test_an_experiment_that_runs_here_cannot_be_taken_over(caller: Caller) -> None:
    caller.ask("create_experiment", definition=caller.define("busy"))
    with attempt_lock(caller.home, "busy"), pytest.raises(ConflictError, match="by another process"):
        caller.ask("update_status", experiment_id="busy", status="running")


def test_experiments_are_listed_by_every_condition(caller: Caller, small_lake: SmallLake) -> None:
    caller.ask("create_experiment", definition=caller.define("listed", provenance=PROVENANCE))

    def listed(**conditions: Any) -> list[str]:
        found = caller.ask("list_experiments", filter=conditions)
        schemas.EXPERIMENTS.validate_python(found)
        return [one["experimentId"] for one in found]

    everything = listed()
    assert "listed" in everything
    assert small_lake.experiment_id in everything
    assert listed(status="completed") == listed(status="completed", artifactType="alerts_v1") != []
    assert listed(gitCommit="f00d") == listed(git_commit="f00d")
    assert small_lake.experiment_id not in listed(gitCommit="f00d")
    assert "listed" in listed(maxCreatedAt="2025-06-01")
    assert "listed" not in listed(minCreatedAt="2025-06-02")
    assert listed(limit=1) == everything[:1]
    assert listed(status="") == everything
    for wrong, words in (
        ({"status": "done"}, "status 'done'"),
        ({"statsu": "failed"}, "statsu"),
        ({"limit": -1}, "-1"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            listed(**wrong)


def test_experiments_are_found_by_the_artifacts_that_they_used(caller: Caller, small_lake: SmallLake) -> None:
    lab = Lab(caller.home)
    alerts = lab.artifacts.heads("alerts_v1")[0].artifact_id
    found = caller.call("find_by_input_artifacts", artifact_ids=[alerts, "nobody"]).result
    schemas.EXPERIMENTS.validate_python(found)
    assert small_lake.experiment_id in [one["experimentId"] for one in found]
    assert caller.ask("find_by_input_artifacts", artifactIds=[alerts, "nobody"], match="all") == []
    (strategy,) = caller.ask("get_experiment", experiment_id=small_lake.experiment_id)["inputs"]["strategies"]
    assert [one["experimentId"] for one in caller.ask("find_by_input_artifacts", artifact_ids=[strategy])] != []


def test_an_experiment_without_a_range_has_bounds_that_mean_none(caller: Caller, small_lake: SmallLake) -> None:
    found = caller.ask("get_experiment", experiment_id=small_lake.experiment_id)
    assert found["config"]["dateRange"] == {"from": "0001-01-01", "to": "9999-12-31"}
    again = {
        "experimentId": small_lake.experiment_id,
        **{key: found[key] for key in ("name", "inputs", "config")},
    }
    assert caller.ask("create_experiment", definition=again) == found


def test_a_strategy_is_given_as_mapping_by_name_or_by_id(caller: Caller) -> None:
    by_name = caller.ask("create_experiment", definition=caller.define("by-name"))
    mapping = by_name["config"]["strategy"]
    identifier = by_name["inputs"]["strategies"]
    for number, (strategy, ids) in enumerate(
        [("momentum", []), (mapping, []), ({}, identifier), (None, identifier), (mapping, identifier)]
    ):
        definition = caller.define(f"strategy-{number}")
        definition["config"]["strategy"] = strategy
        definition["inputs"]["strategies"] = ids
        created = experiment(caller.ask("create_experiment", definition=definition))
        assert created["config"]["strategy"] == mapping
        assert created["inputs"]["strategies"] == identifier


def test_an_earlier_strategy_given_by_its_id_is_pinned_and_its_name_stays_with_the_current_one(caller: Caller) -> None:
    lab = Lab(caller.home)
    earlier, current = (
        publish_strategy(lab.artifacts, parse_strategy({"name": "held", "max_hold_min": minutes}), lab.code_provenance)
        for minutes in (30, 40)
    )
    definition = caller.define("of-an-earlier-one")
    definition["config"]["strategy"] = earlier[0].artifact_id
    created = caller.ask("create_experiment", definition=definition)
    assert created["inputs"]["strategies"] == [earlier[0].artifact_id]
    assert find_strategy(lab.artifacts, "held").artifact == current[0]


def test_a_program_that_runs_a_sweep_reports_its_parameter_sets(caller: Caller, small_lake: SmallLake) -> None:
    sets = outputs_of(caller, small_lake.experiment_id)["metricsArtifactId"]
    definition = caller.define("their-sweep")
    definition["config"]["params"] = {"sweep": {"grid": {"stop_loss": [0.3, 0.4]}}}
    caller.ask("create_experiment", definition=definition)
    caller.ask("update_status", experiment_id="their-sweep", status="running")
    caller.ask("store_results", experiment_id="their-sweep", results={"parameterSetsArtifactId": sets})
    assert caller.ask("get_experiment", experiment_id="their-sweep")["outputs"] == {"parameterSets": sets}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": None}, "needs name"),
        ({"inputs": {"alerts": ["x"]}}, "needs ohlcv"),
        ({"inputs": {"alerts": ["nobody"], "ohlcv": []}}, "not found"),
        ({"config": {"strategy": {"name": "nothing"}}}, "no strategy 'nothing'"),
        ({"config": {"strategy": {"max_hold_min": 10, "stop": 1}}}, "stop"),
        ({"config": {"strategy": {"name": "momentum"}, "params": {"sead": 1}}}, "sead"),
        ({"config": {"strategy": {"name": "momentum"}, "dateRange": {"from": "yesterday"}}}, "yesterday"),
        ({"provenance": {"gitCommit": "x", "gitDirty": False, "createdAt": "now"}}, "now"),
        ({"experimentId": "../up"}, "cannot be a partition key"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused(caller: Caller, change: dict[str, Any], words: str) -> None:
    before = Lab(caller.home).artifacts.last_sequence()
    with pytest.raises(QuantlabError, match=re.escape(words)) as raised:
        caller.ask("create_experiment", definition=caller.define("bad") | change)
    assert "\n" not in str(raised.value)
    assert Lab(caller.home).artifacts.last_sequence() == before, "nothing was published"


def test_snake_case_and_camel_case_mean_the_same(caller: Caller, small_lake: SmallLake) -> None:
    requests = [
        {"operation": "get_experiment", db: str(caller.db_path), key: small_lake.experiment_id}
        for db in ("db_path", "dbPath")
        for key in ("experiment_id", "experimentId")
    ]
    assert len({json.dumps(answer(request)) for request in requests}) == 1
    snake = caller.define("snake")
    snake["experiment_id"] = snake.pop("experimentId")
    snake["config"]["date_range"] = snake["config"].pop("dateRange")
    snake["provenance"] = {
        "git_commit": "f00d", "git_dirty": True, "engine_version": "x", "created_at": "2025-06-01T12:00:00.000Z",
    }  # fmt: skip
    assert experiment(caller.ask("create_experiment", definition=snake))["experimentId"] == "snake"


def test_what_is_written_is_in_the_index_that_the_request_names(caller: Caller) -> None:
    import duckdb

    caller.ask("create_experiment", definition=caller.define("indexed"))
    with duckdb.connect(str(caller.db_path), read_only=True) as connection:
        found = connection.execute("SELECT status FROM experiments WHERE experiment_id = 'indexed'").fetchall()
    assert found == [("pending",)]


def test_the_lake_is_found_from_index_manifest_or_environment(caller: Caller, tmp_path: Path) -> None:
    request = {"operation": "list_experiments"}
    elsewhere = tmp_path / "other" / "x.duckdb"
    manifest = str(caller.home / "manifest" / "manifest.sqlite")
    by_index = caller.call("list_experiments").result
    assert by_index
    command = (sys.executable, SCRIPT)
    assert call(request, command=command, environment={"QUANTLAB_HOME": str(caller.home)}).result == by_index
    moved = {"QUANTLAB_HOME": str(caller.home), "EXPERIMENT_DB": str(elsewhere)}
    assert call(request | {"db_path": str(elsewhere)}, command=command, environment=moved).result == by_index
    assert call(request | {"dbPath": str(elsewhere), "manifestDb": manifest}, command=command).result == by_index
    lost = call(request | {"db_path": str(elsewhere)}, command=command).error
    assert lost["type"] == "LakeNotFoundError"


def test_health_says_why_not(caller: Caller, tmp_path: Path) -> None:
    assert caller.call("health_check").result == {"available": True}
    missing = Caller(tmp_path / "nowhere").ask("health_check")
    schemas.HEALTH.validate_python(missing)
    assert not missing["available"]
    assert "lake not found" in missing["error"]


def test_unknown_experiments_and_operations_are_named(caller: Caller) -> None:
    for operation, fields in (
        ("get_experiment", {}),
        ("update_status", {"status": "running"}),
        ("store_results", {"results": {}}),
    ):
        with pytest.raises(ExperimentNotFoundError, match="not found"):
            caller.ask(operation, experiment_id="nobody", **fields)
    error = caller.call("get_experiment", experiment_id="nobody").error
    assert (error["type"], error["operation"]) == ("ExperimentNotFoundError", "get_experiment")
    with pytest.raises(InvalidInputError, match="unknown operation"):
        caller.ask("levitate")
    assert set(OPERATIONS) == {
        "create_experiment", "get_experiment", "list_experiments", "update_status", "store_results",
        "find_by_input_artifacts", "health_check",
    }  # fmt: skip


def test_processes_that_create_one_experiment_at_once_all_get_it(caller: Caller) -> None:
    definition = caller.define("at-once")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: caller.call("create_experiment", definition=definition), range(4)))
    assert len({answer.result["experimentId"] for answer in answers}) == 1
    assert len({json.dumps(answer.result["provenance"]) for answer in answers}) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "health_check"},
        {"operation": "get_experiment"},
        {"operation": "list_experiments", "filter": {"status": "completed"}},
        {"operation": "find_by_input_artifacts", "artifact_ids": ["x"]},
    ],
    ids=lambda fields: str(fields["operation"]),
)
def test_an_operation_that_reads_loads_nothing_heavier_than_arrow(
    small_lake: SmallLake, fields: dict[str, object]
) -> None:
    request = {
        **fields,
        "db_path": str(small_lake.home / "data" / "experiments.duckdb"),
        "experiment_id": small_lake.experiment_id,
    }
    log = logged(request, (SCRIPT,))
    allowed = set() if fields["operation"] == "health_check" else {"pyarrow", "numpy", "tempfile"}
    assert heavy_imports(log) <= allowed
