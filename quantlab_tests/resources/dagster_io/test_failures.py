"""What is left when something fails on the way: nothing half published, nothing lost, a typed error at the caller."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import apsw
import dagster as dg
import pytest

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.partitions import DAYS, EXPORTS, add_partitions
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.alerts.daily_alerts import alerts_of_day
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, ConflictError, QuantlabError, SchemaError
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.lab import Lab
from quantlab_resources.progress import PublishedUnit, listening
from quantlab_tests.resources.artifacts.lakes import files_under
from quantlab_tests.resources.dagster_io.small_graph import (
    FIRST,
    SECOND,
    SmallGraph,
    damage,
    events_table,
    publish_events,
    stored_file,
)

ROOT = Path(__file__).parents[3]
EXPORT_ASSETS = ("telegram_messages", "message_dispositions", "alerts_quarantine")


@contextmanager
def refusing_rows(lab: Lab, artifact_type: str) -> Iterator[None]:
    """Within the block the manifest's own SQLite refuses rows of this type, after their files are in place."""
    connection = apsw.Connection(str(lab.paths.manifest_db))
    connection.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON artifacts WHEN NEW.artifact_type = "
        f"'{artifact_type}' BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    )
    try:
        yield
    finally:
        connection.execute("DROP TRIGGER refuse")
        connection.close()


def test_the_outputs_of_a_step_are_published_together_or_not_at_all(graph: SmallGraph) -> None:
    add_partitions(graph.instance, EXPORTS, ["abc"])
    with refusing_rows(graph.lab, "alerts_quarantine"), pytest.raises(apsw.ConstraintError):
        graph.run(*EXPORT_ASSETS, partition="abc")
    assert graph.artifact_count() == 0
    assert [graph.materializations(asset) for asset in EXPORT_ASSETS] == [[], [], []]
    graph.run(*EXPORT_ASSETS, partition="abc")
    assert graph.artifact_count() == 3


def test_a_crash_between_files_and_manifest_publishes_nothing_and_heals(graph: SmallGraph) -> None:
    graph.feed.mcap[FIRST] = 1.0
    with refusing_rows(graph.lab, "alerts_event_v1"), pytest.raises(apsw.ConstraintError):
        graph.run("alert_events", partition=FIRST)
    assert graph.artifact_count() == 0
    assert graph.materializations("alert_events") == []
    graph.run("alert_events", partition=FIRST)
    recover(graph.lab.artifacts)
    artifact = graph.head("alerts_event_v1", f"day={FIRST}/")
    assert graph.data_versions("alert_events") == {FIRST: artifact.content_hash}
    assert verify(graph.lab.artifacts).is_whole
    published = [name for name in files_under(graph.lab.paths.artifacts_root) if not name.startswith("_")]
    assert len(published) == 2


def test_a_crash_between_manifest_and_event_is_reported_by_the_next_run(graph: SmallGraph) -> None:
    """Whoever watches the progress is told right after the manifest, before Dagster: there the run dies."""
    graph.feed.mcap[FIRST] = 1.0

    def die(_unit: PublishedUnit) -> None:
        raise KeyboardInterrupt

    with listening(die), pytest.raises(KeyboardInterrupt):
        graph.run("alert_events", partition=FIRST)
    artifact = graph.head("alerts_event_v1", f"day={FIRST}/")
    assert graph.materializations("alert_events") == []
    graph.run("alert_events", partition=FIRST)
    assert graph.artifact_count() == 1
    (event,) = graph.materializations("alert_events")
    assert event.metadata["new_artifacts"].value == 0
    assert graph.data_versions("alert_events") == {FIRST: artifact.content_hash}


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(damage, ArtifactDamagedError), (Path.unlink, ArtifactMissingError)],
    ids=["damaged", "missing"],
)
def test_a_spoilt_input_reaches_the_caller_of_a_run_as_what_it_is(
    graph: SmallGraph, spoil: Any, error: type[QuantlabError]
) -> None:
    path = stored_file(publish_events(graph.lab, FIRST, 1.0))
    spoil(path)
    runs = LakeRuns(graph.lab, graph.instance)
    with pytest.raises(error, match=path.name) as raised:
        runs.materialize_days("Finding alerts", ["alerts"], [date.fromisoformat(FIRST)])
    assert "\n" not in str(raised.value)
    assert graph.lab.artifacts.heads("alerts_v1") == []


def test_an_asset_that_returns_a_table_instead_of_drafts_is_told_how_it_is_done(graph: SmallGraph) -> None:
    @dg.asset(name="stray", io_manager_key="io_manager")
    def stray() -> Any:
        return events_table(FIRST, 1.0)

    with pytest.raises(SchemaError, match="stray returned Table"):
        graph.run("stray", more=[stray])
    assert graph.artifact_count() == 0


def test_an_output_cannot_claim_an_input_that_its_step_never_read(graph: SmallGraph) -> None:
    publish_events(graph.lab, FIRST, 1.0)
    unread = publish_events(graph.lab, SECOND, 2.0)

    @artifact_asset(
        name="alerts",
        specs=[ALERTS],
        group="small",
        code_version="1",
        inputs={"events": Upstream("alert_events", dg.AllPartitionMapping())},
        partitions_def=DAYS,
    )
    def claimant(step: Step) -> Iterator[ArtifactDraft]:
        """Reads its own day and claims another."""
        (own,) = step["events"].with_key(day=step.key)
        table = alerts_of_day(step["events"].read(own))
        yield ArtifactDraft(ALERTS, {"day": step.key, "chain": "solana"}, table, inputs=[unread.artifact_id])

    with pytest.raises(ConflictError, match=unread.artifact_id):
        graph.run_only(claimant, partition=FIRST)
    assert graph.lab.artifacts.heads("alerts_v1") == []


def test_two_processes_materialize_one_partition_at_once_and_one_of_them_publishes(graph: SmallGraph) -> None:
    home = str(graph.lab.paths.home)
    said = subprocess.run(
        [sys.executable, "-m", "quantlab_tests.resources.dagster_io.racing_processes", home, FIRST, "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    ).stdout.splitlines()
    artifact = graph.head("alerts_event_v1", f"day={FIRST}/")
    assert sorted(said) == [f"0 {artifact.content_hash}", f"1 {artifact.content_hash}"]
    assert graph.artifact_count() == 1
    assert verify(graph.lab.artifacts).is_whole
