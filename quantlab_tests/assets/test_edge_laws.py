"""Laws that tie asset graph, manifest and OpenLineage: one owner per artifact, equal edges, mapped partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.definitions import build_defs
from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.artifacts.artifact import Artifact, ArtifactFilter, ArtifactStatus, PublishRequest
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_core.experiments.experiment_outputs import OUTPUTS
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.dagster_io.materialization_metadata import set_hash
from quantlab_resources.lab import Lab
from quantlab_tests.assets.demo_lake import DemoLake
from quantlab_tests.assets.edge_laws import (
    OF_ALIASES,
    broken_laws,
    edges_within_a_partition,
    graph_edges,
    openlineage_edges,
    owner,
    partition,
)
from quantlab_tests.assets.small_inputs import DAY_S, minutes, write_candles, write_export
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint
from quantlab_tests.resources.artifacts.lakes import WRITER

IDENTITY_EDGES = {
    ("alert_events", "alerts"),
    ("alerts", "ohlcv_slices"),
    ("alerts", "slice_quarantine"),
    ("ohlcv_slices", "slice_revisions"),
    ("telegram_exports", "telegram_messages"),
    ("telegram_exports", "message_dispositions"),
    ("telegram_exports", "alerts_quarantine"),
    ("candle_files", "imported_candles"),
    ("candle_files", "candles_quarantine"),
    ("experiment_definitions", "experiment_trades"),
    ("experiment_definitions", "experiment_metrics"),
    ("experiment_definitions", "experiment_parameter_sets"),
    ("experiment_definitions", "reproductions"),
    ("experiment_trades", "reproductions"),
    ("experiment_trades", "lookahead_audits"),
}
"""Edges that must keep to one partition: some of those that do."""

OF_VERIFICATION = {
    *((f"experiment_{of}", "reproductions") for of in ("definitions", *OUTPUTS)),
    *((f"experiment_{of}", "lookahead_audits") for of in ("definitions", "trades")),
}
"""Edges that exist where an experiment on record was checked (`test_experiment_verification` does)."""

NOT_IN_THE_DEMO = {
    ("ohlcv_slices", "slice_revisions"),
    ("experiment_definitions", "experiment_parameter_sets"),
    ("experiment_trades", "caller_leaderboard"),
    ("experiment_metrics", "caller_leaderboard"),
    ("experiment_metrics", "experiment_leaderboard"),
    *OF_ALIASES,
    *OF_VERIFICATION,
}
"""Edges of assets that publish nothing there: its slices are fetched once (`test_refetched_slices` fetches again), it
has no sweep, and leaderboards are made when somebody asks for them (`test_sweeps`, `test_leaderboard_assets`)."""


STEPS = (
    "two days of three",
    "the first day alone, once more",
    "everything once more",
    "the third day and its candles",
    "a correction of the first day",
    "withdrawn by hand",
)
ALL_STATUSES = ("active", "superseded", "tombstoned")


@dataclass(frozen=True)
class Moment:
    """A lake after a step: which laws are broken, and what the step published (known content, new, superseded)."""

    broken: list[str]
    known: int
    new: int
    superseded: int
    statuses: tuple[str, ...]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Moment]]:
    """A lake that is filled in parts, filled again, and corrected; as it was after each step."""
    folder = tmp_path_factory.mktemp("lived")
    with dg.DagsterInstance.ephemeral() as instance:
        runs = LakeRuns(Lab.create(folder / "lake"), instance)
        seen: dict[str, Moment] = {}
        for step in STEPS:
            before = runs.lab.artifacts.publications()
            superseded = _number_superseded(runs.lab)
            _take(step, runs, folder)
            after = runs.lab.artifacts.publications()[len(before) :]
            known = sum(publication.deduped for publication in after)
            statuses = sorted({a.status.value for a in _artifacts(runs.lab)})
            seen[step] = Moment(
                broken_laws(runs.lab),
                known,
                len(after) - known,
                _number_superseded(runs.lab) - superseded,
                tuple(statuses),
            )
        yield seen


def _take(step: str, runs: LakeRuns, folder: Path) -> None:
    owl, fox, elk = mint("owl"), mint("fox"), mint("elk")
    calls = [exported(10, owl), exported(20, fox, at=DAY_S), exported(30, elk, at=2 * DAY_S)]
    first = date(2025, 5, 1)
    series = {
        token: minutes([1.0, 2.0, 3.0], start=NOON + timedelta(days=day)) for day, token in enumerate((owl, fox, elk))
    }
    declared = CandleFileDeclaration(span_from=NOON - timedelta(hours=1), span_to=NOON + timedelta(days=5))
    match step:
        case "two days of three" | "everything once more":
            days = ingest_telegram_export(runs, write_export(folder / "a.json", *calls[:2])).days
            some = {token: series[token] for token in (owl, fox)}
            import_candle_file(runs, write_candles(folder / "a.csv", some), declared)
            refresh_research(runs, days)
        case "the first day alone, once more":
            assets = ["alert_events", "alerts", "ohlcv_slices", "slice_quarantine", "slice_revisions"]
            runs.materialize_days("again", assets, [first])
        case "the third day and its candles":
            days = ingest_telegram_export(runs, write_export(folder / "b.json", *calls)).days
            import_candle_file(runs, write_candles(folder / "b.csv", {elk: series[elk]}), declared)
            refresh_research(runs, days)
        case "a correction of the first day":
            corrected = [exported(10, owl), exported(11, fox, at=60), *calls[1:]]
            days = ingest_telegram_export(runs, write_export(folder / "c.json", *corrected)).days
            refresh_research(runs, days)
        case "withdrawn by hand":
            store = runs.lab.artifacts
            store.tombstone(store.heads(ALERTS.name)[0].artifact_id, reason="the source was faked")


def _artifacts(lab: Lab) -> Sequence[Artifact]:
    return lab.artifacts.list_artifacts(ArtifactFilter(limit=None)).artifacts


def _number_superseded(lab: Lab) -> int:
    return sum(artifact.status is ArtifactStatus.SUPERSEDED for artifact in _artifacts(lab))


def test_every_type_declares_the_partitions_of_its_assets() -> None:
    graph = build_defs().resolve_asset_graph()
    for spec in ARTIFACT_TYPES:
        for asset in spec.assets:
            is_partitioned = graph.get(dg.AssetKey(asset)).is_partitioned
            assert (spec.partition is not None) == is_partitioned, spec.label


def test_every_artifact_type_belongs_to_assets_of_the_graph_and_every_asset_owns_one() -> None:
    owners = {asset for spec in ARTIFACT_TYPES for asset in spec.assets}
    assert owners == {key.to_user_string() for key in build_defs().resolve_asset_graph().get_all_asset_keys()}


def test_the_edges_of_the_manifest_are_the_edges_of_the_graph(demo_lake: DemoLake) -> None:
    store = demo_lake.lab.artifacts
    found = {
        (owner(store.get_artifact(input_id)), owner(store.get_artifact(publication.artifact_id)))
        for publication in store.publications()
        for input_id in publication.input_artifact_ids
    }
    assert found == graph_edges() - NOT_IN_THE_DEMO
    assert openlineage_edges(demo_lake.lab) == found


def test_graph_manifest_and_openlineage_tell_one_story_of_the_demo(demo_lake: DemoLake) -> None:
    assert demo_lake.lab.artifacts.publications()
    assert broken_laws(demo_lake.lab) == []


def test_the_mappings_keep_to_one_partition_where_they_should() -> None:
    assert edges_within_a_partition() >= IDENTITY_EDGES


@pytest.mark.parametrize("step", STEPS)
def test_they_tell_one_story_after_every_step_of_a_lakes_life(lived: dict[str, Moment], step: str) -> None:
    assert lived[step].broken == []


def test_the_steps_of_that_life_are_what_they_are_called(lived: dict[str, Moment]) -> None:
    """Or the laws would hold of nothing."""
    seen = {step: (lived[step].known, lived[step].new, lived[step].superseded) for step in STEPS}
    assert seen["two days of three"][1:] == (seen["two days of three"][1], 0)
    known, new, _ = seen["the first day alone, once more"]
    assert known > 0
    assert new == 0
    known, new, superseded = seen["everything once more"]
    assert known > 0
    assert (new, superseded) == (0, 0)
    assert seen["the third day and its candles"][1] > 0
    assert seen["a correction of the first day"][2] > 0
    assert seen["withdrawn by hand"] == (0, 0, 0)
    assert {moment.statuses for moment in lived.values()} == {("active",), ("active", "superseded"), ALL_STATUSES}


def test_a_publication_that_names_too_little_or_too_much_is_noticed(lab: Lab) -> None:
    """Negative control: alerts that are made from nothing, and from the events of another day."""
    store = lab.artifacts
    first, second = (
        store.publish(_by_hand(ALERT_EVENTS, f"day={day}/chain=solana")).artifact_id
        for day in ("2025-05-01", "2025-05-02")
    )
    key = "day=2025-05-01/chain=solana"
    store.publish(_by_hand(ALERTS, key, [first]))
    told = [line for line in broken_laws(lab) if line.startswith("alerts ")]
    assert told == []
    store.publish(_by_hand(ALERTS, key))
    store.publish(_by_hand(ALERTS, key, [first, second]))
    told = [line for line in broken_laws(lab) if line.startswith("alerts ")]
    assert [line.partition(": ")[0] for line in told] == [
        "alerts day=2025-05-01/chain=solana",
        "alerts day=2025-05-01/chain=solana is made from another partition, day=2025-05-02/chain=solana",
    ]


def _by_hand(spec: ArtifactType, key: str, inputs: Sequence[str] = ()) -> PublishRequest:
    return PublishRequest(
        spec.name, spec.version, key, spec.schema.empty_table(), WRITER, input_artifact_ids=inputs
    )  # fmt: skip


@pytest.mark.parametrize("asset", ["alerts", "ohlcv_slices", "token_candles", "candle_set", "experiment_metrics"])
def test_dagster_shows_the_content_hashes_of_the_manifest_as_data_versions(demo_lake: DemoLake, asset: str) -> None:
    expected: dict[str | None, list[tuple[str, str, str]]] = {}
    for name in {spec.name for spec in ARTIFACT_TYPES if asset in spec.assets}:
        for head in demo_lake.lab.artifacts.heads(name):
            if owner(head) == asset:
                identity = (head.artifact_type, head.logical_key, head.content_hash)
                expected.setdefault(partition(head), []).append(identity)
    recorded: dict[str | None, str] = {}
    for record in demo_lake.instance.fetch_materializations(dg.AssetKey(asset), limit=10_000, ascending=True).records:
        materialization = record.asset_materialization
        assert materialization is not None
        assert materialization.tags is not None
        recorded[materialization.partition] = materialization.tags["dagster/data_version"]
    for key, identities in expected.items():
        assert recorded[key] == set_hash(identities)
