"""Experiments as a library call: inputs are checked first; results and outcome are published together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import experiment_lake
from benchmarks.experiment_lake import create_experiment, publish_inputs
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import frozen_set_table, set_members
from quantlab_core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    ArtifactNotFoundError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    QuantlabError,
)
from quantlab_core.experiments.execute_experiment import ExperimentPorts, execute_experiment, simulated_tables
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.experiments.experiment_outputs import OUTPUTS
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.simulation.sweep import record_index
from quantlab_core.simulation.sweep.record_index import build_record_index
from quantlab_resources.experiments.lab_execution import execute_in_lab
from quantlab_resources.lab import Lab
from quantlab_resources.lake_paths import LakePaths
from quantlab_resources.strategies.known_strategies import publish_strategy
from quantlab_tests.resources.projections.damaged_files import damage

WRITER = Writer("test", "1", "0" * 40, False)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(paths=LakePaths.from_environment(tmp_path / "lake", {}))
    lab.make_lake()
    return lab


@pytest.fixture
def sets(lab: Lab) -> tuple[str, str]:
    return publish_inputs(lab, series=3, alerts=12, rows=2_000)


def results(lab: Lab) -> int:
    return sum(len(lab.artifacts.heads(f"experiment_{name}")) for name in ("trades", "fills", "metrics", "curves"))


def refused(lab: Lab, experiment_id: str, error: type[QuantlabError], match: str) -> None:
    """The execution is refused in one line, the attempt has failed with it, and nothing was published."""
    with pytest.raises(error, match=match) as refusal:
        execute_in_lab(lab, experiment_id)
    assert "\n" not in str(refusal.value)
    experiment = lab.experiments.get(experiment_id)
    assert experiment.status is ExperimentStatus.FAILED
    assert experiment.execution is not None
    assert type(refusal.value).__name__ in str(experiment.execution.error)
    assert results(lab) == 0


def frozen(lab: Lab, of: str, members: Sequence[Artifact], **other: str) -> str:
    table = frozen_set_table(members)
    for name, value in other.items():
        place = table.schema.get_field_index(name)
        values = [value, *table.column(place).to_pylist()[1:]]
        table = table.set_column(place, table.schema.field(place), [values])
    request = PublishRequest(
        ARTIFACT_SET.name, ARTIFACT_SET.version, f"of={of}/selection=test", table, WRITER,
        input_artifact_ids=[member.artifact_id for member in members],
    )  # fmt: skip
    return lab.artifacts.publish(request).artifact.artifact_id


def members_of(lab: Lab, set_id: str) -> list[Artifact]:
    return set_members(lab.artifacts, lab.artifacts.get_artifact(set_id))


def test_results_and_outcome_are_published_and_the_experiment_is_completed(lab: Lab, sets: tuple[str, str]) -> None:
    create_experiment(lab, "one", sets)
    completed = execute_in_lab(lab, "one")
    assert completed.status is ExperimentStatus.COMPLETED
    outputs = completed.outputs
    assert outputs is not None
    assert outputs.trades_artifact_id is not None
    trades = lab.artifacts.read(outputs.trades_artifact_id)
    assert trades.num_rows == 12
    assert set(trades["status"].to_pylist()) == {"closed"}
    assert outputs.outcome_artifact_id is not None
    outcome = {row["output"]: row for row in lab.artifacts.read(outputs.outcome_artifact_id).to_pylist()}
    assert outcome["trades"]["artifact_id"] == outputs.trades_artifact_id
    assert outcome["trades"]["content_hash"] == lab.artifacts.get_artifact(outputs.trades_artifact_id).content_hash
    lineage = lab.artifacts.get_lineage(outputs.trades_artifact_id)
    assert [artifact.artifact_id for artifact in lineage.inputs] == [completed.definition_artifact_id]
    assert len(lab.candle_packs.states()) == 1
    assert execute_in_lab(lab, "one") == completed


def test_a_second_experiment_on_the_same_set_uses_the_pack_and_gives_the_same_results(
    lab: Lab, sets: tuple[str, str]
) -> None:
    hashes = []
    for experiment_id in ("one", "two"):
        create_experiment(lab, experiment_id, sets)
        outputs = execute_in_lab(lab, experiment_id).outputs
        assert outputs is not None
        ids = (outputs.fills_artifact_id, outputs.curves_artifact_id, outputs.metrics_artifact_id)
        hashes.append([lab.artifacts.get_artifact(str(artifact_id)).content_hash for artifact_id in ids])
    assert hashes[0] == hashes[1]
    assert len(lab.candle_packs.states()) == 1


def test_a_second_sweep_over_the_same_calls_reads_the_index_of_the_first_and_a_sweep_without_has_the_same_results(
    lab: Lab, sets: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []

    def counted(*given: Any) -> record_index.RecordIndex:
        built.append(given[-1])
        return build_record_index(*given)

    monkeypatch.setattr(record_index, "build_record_index", counted)
    sweep = {"grid": {"stop_loss": [0.1, 0.3], "max_hold_min": [60, 120]}}
    monkeypatch.setattr(experiment_lake, "PARAMS", {**experiment_lake.PARAMS, "sweep": sweep})
    for experiment_id in ("one", "two"):
        create_experiment(lab, experiment_id, sets)
        assert execute_in_lab(lab, experiment_id).status is ExperimentStatus.COMPLETED
        (kept,) = lab.paths.projection_cache.glob("candles-*.index")
        assert built == [120 * 60_000]
    definition = lab.experiments.get("two").definition
    on_candles = simulated_tables(definition, lab.artifacts, lab.candle_packs)
    on_records = simulated_tables(definition, lab.artifacts, lab.candle_packs, lab.record_indexes)
    for name in OUTPUTS:
        assert getattr(on_records, name).equals(getattr(on_candles, name)), name
    lab.projections.dispose(lab.candle_packs.states()[0].projection.projection_id)
    assert not kept.exists()


def test_damaged_and_missing_inputs_are_refused_and_put_back_they_do(lab: Lab, sets: tuple[str, str]) -> None:
    create_experiment(lab, "one", sets)
    for member in (members_of(lab, sets[1])[1], members_of(lab, sets[0])[0]):
        path = Path(member.path_parquet)
        whole = path.read_bytes()
        damage(path)
        refused(lab, "one", ArtifactDamagedError, path.name)
        path.unlink()
        refused(lab, "one", ArtifactMissingError, path.name)
        path.write_bytes(whole)
    assert execute_in_lab(lab, "one").status is ExperimentStatus.COMPLETED


def test_withdrawn_inputs_are_refused(lab: Lab, sets: tuple[str, str]) -> None:
    create_experiment(lab, "one", sets)
    member = members_of(lab, sets[1])[0]
    lab.artifacts.tombstone(member.artifact_id, reason="wrong token")
    refused(lab, "one", InvalidInputError, f"{member.artifact_id}.* was withdrawn")


def test_superseded_inputs_are_what_was_frozen(lab: Lab, sets: tuple[str, str]) -> None:
    create_experiment(lab, "one", sets)
    publish_inputs(lab, series=3, alerts=12, rows=1_000)  # other content under the same keys
    assert members_of(lab, sets[1])[0].status != "active"
    assert execute_in_lab(lab, "one").status is ExperimentStatus.COMPLETED


def test_a_member_with_other_content_than_was_frozen_is_refused(lab: Lab, sets: tuple[str, str]) -> None:
    other = frozen(lab, "candles", members_of(lab, sets[1]), content_hash="qlh1:" + "0" * 64)
    create_experiment(lab, "one", (sets[0], other))
    refused(lab, "one", IntegrityError, "but qlh1:0+ was frozen")


def test_a_set_of_the_wrong_kind_is_refused(lab: Lab, sets: tuple[str, str]) -> None:
    create_experiment(lab, "one", (sets[1], sets[0]))
    refused(lab, "one", InvalidInputError, "expected alerts_v1")


def test_a_strategy_that_was_withdrawn_damaged_or_is_another_is_refused(lab: Lab, sets: tuple[str, str]) -> None:
    definition = create_experiment(lab, "unnamed", sets)
    own, other = (
        publish_strategy(lab.artifacts, parse_strategy(mapping), lab.code_provenance)[0]
        for mapping in (definition.config.strategy, {**definition.config.strategy, "stake": 7})
    )
    lab.experiments.create(replace(definition, experiment_id="one", strategy_id=other.artifact_id))
    refused(lab, "one", IntegrityError, f"is not that of {other.artifact_id}")
    lab.experiments.create(replace(definition, experiment_id="two", strategy_id=own.artifact_id))
    path = Path(own.path_parquet)
    whole = path.read_bytes()
    damage(path)
    refused(lab, "two", ArtifactDamagedError, path.name)
    path.write_bytes(whole)
    lab.artifacts.tombstone(own.artifact_id, reason="wrong")
    refused(lab, "two", InvalidInputError, f"{own.artifact_id} .*, the experiment's strategy, was withdrawn")


def test_an_experiment_that_is_not_under_way_is_not_run(lab: Lab, sets: tuple[str, str]) -> None:
    create_experiment(lab, "one", sets)
    ports = ExperimentPorts(lab.artifacts, lab.candle_packs, lab.experiments, WRITER)
    with pytest.raises(ConflictError, match="experiment one is pending and not under way"):
        execute_experiment("one", ports)
    with pytest.raises(ArtifactNotFoundError):
        lab.artifacts.get_artifact("nothing")
    assert results(lab) == 0
