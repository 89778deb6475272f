"""The coverage in an experiment's report: of its own sets and range, whatever was measured since, or is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_assets.coverage import COVERAGE_NAMES
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.experiment_coverage import (
    experiment_coverage,
    measured_from_candles,
    recorded_coverage,
)
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.experiments.experiment import DateRange, ExperimentDefinition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.experiments.experiment_freezing import ExperimentRequest
from quantlab_tests.assets.small_research import HEN, hold_1h, small_research


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    """Four calls of which hen's, on the third day, has no candles."""
    with small_research(tmp_path_factory.mktemp("measured")) as made:
        yield made


def definition_of(runs: LakeRuns, request: ExperimentRequest) -> ExperimentDefinition:
    return create_experiment(runs, request).definition


def of_the_graph(store: ParquetArtifactStore) -> pa.Table:
    (head,) = store.heads("alert_forward_coverage_v1")
    return read_newest(store, head)


def test_what_the_graph_measured_on_the_same_sets_is_what_measuring_gives(runs: LakeRuns) -> None:
    store, definition = runs.lab.artifacts, definition_of(runs, hold_1h())
    recorded = experiment_coverage(store, definition)
    assert recorded.forward.equals(of_the_graph(store))
    sets = [store.get_artifact(set_id) for set_id in (definition.alert_set_id, definition.candle_set_id)]
    assert recorded_coverage(store, sets) is not None
    measured = measured_from_candles(store, sets, as_of=parse_timestamp(recorded.as_of))
    assert measured.sort_by([("alert_id", "ascending"), ("horizon_h", "ascending")]).equals(
        recorded.forward.sort_by([("alert_id", "ascending"), ("horizon_h", "ascending")])
    )


def test_thresholds_of_the_graph_do_not_change_a_report(runs: LakeRuns) -> None:
    definition = definition_of(runs, hold_1h())
    before = experiment_coverage(runs.lab.artifacts, definition)
    runs.materialize(
        "strictly", COVERAGE_NAMES, config={"ops": {"coverage": {"config": {"good": 1.0, "partial": 1.0}}}}
    )
    assert experiment_coverage(runs.lab.artifacts, definition).forward.equals(before.forward, check_metadata=True)


def test_only_alerts_in_the_range_of_the_experiment_are_counted(runs: LakeRuns) -> None:
    request = hold_1h("third day", date_range=DateRange("2025-05-03", "2025-05-03"))
    measured = experiment_coverage(runs.lab.artifacts, definition_of(runs, request))
    assert set(measured.forward["mint"].to_pylist()) == {HEN}
    assert set(measured.forward["verdict"].to_pylist()) == {"none"}


def test_the_page_has_the_map_and_is_the_same_each_time_and_shown_when_candles_are_gone(runs: LakeRuns) -> None:
    experiment_id = definition_of(runs, hold_1h("reported")).experiment_id
    page = execute_experiment(runs, experiment_id).report
    first = page.read_bytes()
    text = first.decode()
    assert "How well the time after the calls is known" in text
    assert "alerts with ≥ 95% spanned" in text
    assert execute_experiment(runs, experiment_id).report.read_bytes() == first
    store = runs.lab.artifacts
    definition = runs.lab.experiments.get(experiment_id).definition
    measured = store.list_artifacts(ArtifactFilter(artifact_type="alert_forward_coverage_v1", limit=None)).artifacts
    for artifact in measured:
        Path(artifact.path_parquet).unlink()
    assert execute_experiment(runs, experiment_id).report.read_bytes() == first
    for artifact in set_members(store, store.get_artifact(definition.candle_set_id)):
        Path(artifact.path_parquet).unlink()
    assert "Not measured: an input is damaged or gone." in execute_experiment(runs, experiment_id).report.read_text()
