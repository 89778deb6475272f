"""Laws that tie the asset graph to the manifest: one owner per artifact, equal edges, partitions inside mappings."""

from __future__ import annotations

import dagster as dg
import pytest

from quantlab_assets.definitions import build_defs
from quantlab_core.artifacts.artifact import Artifact, ArtifactFilter
from quantlab_core.artifacts.registry import ARTIFACT_TYPES, artifact_type, owning_asset
from quantlab_core.experiments.execute_experiment import OUTPUTS
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.dagster_io.materialization_metadata import set_hash
from quantlab_tests.assets.demo_lake import DemoLake

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
"""Edges whose two ends lie in the same partition; all others fan in."""

OF_ALIASES = {("caller_aliases", "token_calls"), ("caller_aliases", "experiment_definitions")}
"""Edges that exist where somebody handed in caller aliases (`test_caller_aliases` does)."""

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
    assert _manifest_edges(demo_lake) == _graph_edges() - NOT_IN_THE_DEMO


def test_each_run_reads_exactly_the_upstream_assets_of_what_it_publishes(demo_lake: DemoLake) -> None:
    graph = _graph_edges() - OF_ALIASES
    store = demo_lake.lab.artifacts
    publications = store.publications()
    assert publications
    for publication in publications:
        output = _owner(store.get_artifact(publication.artifact_id))
        inputs = {_owner(store.get_artifact(artifact_id)) for artifact_id in publication.input_artifact_ids}
        assert inputs == {upstream for upstream, downstream in graph if downstream == output}, publication


def test_edges_between_partitions_lie_inside_the_declared_mappings(demo_lake: DemoLake) -> None:
    crossed = [
        (upstream, downstream)
        for upstream, downstream in _artifact_edges(demo_lake)
        if (_owner(upstream), _owner(downstream)) in IDENTITY_EDGES and _partition(upstream) != _partition(downstream)
    ]
    assert crossed == []


def test_the_partition_check_would_notice_a_crossed_edge(demo_lake: DemoLake) -> None:
    """Negative control: an alerts artifact of one day is not in the partition of another."""
    first, *_, last = demo_lake.lab.artifacts.heads("alerts_v1")
    assert _partition(first) != _partition(last)


@pytest.mark.parametrize("asset", ["alerts", "ohlcv_slices", "token_candles", "candle_set", "experiment_metrics"])
def test_dagster_shows_the_content_hashes_of_the_manifest_as_data_versions(demo_lake: DemoLake, asset: str) -> None:
    expected: dict[str | None, list[tuple[str, str, str]]] = {}
    for name in {spec.name for spec in ARTIFACT_TYPES if asset in spec.assets}:
        for head in demo_lake.lab.artifacts.heads(name):
            if _owner(head) == asset:
                identity = (head.artifact_type, head.logical_key, head.content_hash)
                expected.setdefault(_partition(head), []).append(identity)
    recorded: dict[str | None, str] = {}
    for record in demo_lake.instance.fetch_materializations(dg.AssetKey(asset), limit=10_000, ascending=True).records:
        materialization = record.asset_materialization
        assert materialization is not None
        assert materialization.tags is not None
        recorded[materialization.partition] = materialization.tags["dagster/data_version"]
    for partition, identities in expected.items():
        assert recorded[partition] == set_hash(identities)


def _graph_edges() -> set[tuple[str, str]]:
    graph = build_defs().resolve_asset_graph()
    return {
        (parent.to_user_string(), key.to_user_string())
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
    }


def _manifest_edges(demo_lake: DemoLake) -> set[tuple[str, str]]:
    return {(_owner(upstream), _owner(downstream)) for upstream, downstream in _artifact_edges(demo_lake)}


def _artifact_edges(demo_lake: DemoLake) -> list[tuple[Artifact, Artifact]]:
    store = demo_lake.lab.artifacts
    return [
        (upstream, artifact)
        for artifact in store.list_artifacts(ArtifactFilter(limit=None)).artifacts
        for upstream in store.get_lineage(artifact.artifact_id, depth=1).inputs
        if upstream.artifact_id
        in {
            edge.input_artifact_id
            for edge in store.get_lineage(artifact.artifact_id).edges
            if edge.artifact_id == artifact.artifact_id
        }
    ]


def _owner(artifact: Artifact) -> str:
    return owning_asset(artifact_type(artifact.artifact_type, artifact.schema_version), artifact.logical_key)


def _partition(artifact: Artifact) -> str | None:
    return partition_of(artifact_type(artifact.artifact_type, artifact.schema_version), artifact.logical_key)
