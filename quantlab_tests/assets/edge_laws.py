"""The laws that tie three stories of one lake together: the asset graph, the manifest, and OpenLineage events.

`broken_laws` says where they disagree, for any lake: one that a demo made, or one in the middle of a backfill.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import dagster as dg

from quantlab_assets.definitions import build_defs
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.registry import artifact_type, owning_asset
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.lab import Lab
from quantlab_tests.resources.openlineage.openlineage_rules import breaches
from quantlab_tests.resources.openlineage.received_lineage import Event, edges, received, recorded, waiting_events

OF_ALIASES = {("caller_aliases", "token_calls"), ("caller_aliases", "experiment_definitions")}
"""Edges that exist where somebody handed in caller aliases (`test_caller_aliases` does)."""

Edge = tuple[str, str]


@cache
def graph_edges() -> frozenset[Edge]:
    """(upstream, downstream) of every edge of the asset graph."""
    graph = build_defs().resolve_asset_graph()
    return frozenset(
        (parent.to_user_string(), key.to_user_string())
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
    )


@cache
def edges_within_a_partition() -> frozenset[Edge]:
    """Edges whose declared mapping leads from a partition to the same one, and to no other."""
    graph = build_defs().resolve_asset_graph()
    found = set()
    for upstream, downstream in graph_edges():
        up, down = graph.get(dg.AssetKey(upstream)), graph.get(dg.AssetKey(downstream))
        if up.is_partitioned and down.is_partitioned:
            mapping = graph.get_partition_mapping(down.key, up.key)
            assert isinstance(
                mapping, dg.AllPartitionMapping | dg.IdentityPartitionMapping | dg.TimeWindowPartitionMapping
            )
            if not isinstance(mapping, dg.AllPartitionMapping):
                assert mapping in (dg.IdentityPartitionMapping(), dg.TimeWindowPartitionMapping()), "it has an offset"
                found.add((upstream, downstream))
    return frozenset(found)


def owner(artifact: Artifact) -> str:
    """The asset that the artifact belongs to."""
    return owning_asset(artifact_type(artifact.artifact_type, artifact.schema_version), artifact.logical_key)


def partition(artifact: Artifact) -> str | None:
    """The partition that the artifact belongs to."""
    return partition_of(artifact_type(artifact.artifact_type, artifact.schema_version), artifact.logical_key)


def broken_laws(lab: Lab) -> list[str]:
    """Where graph, manifest and OpenLineage say different things of this lake."""
    events = waiting_events(lab.catalogue, lab.paths)
    return [*_of_the_graph(lab), *_of_openlineage(lab, events)]


def _of_the_graph(lab: Lab) -> Iterator[str]:
    """Each publication names artifacts of exactly the upstream assets of its own, in the partitions that are mapped."""
    catalogue = lab.catalogue
    for publication in catalogue.publications():
        made = catalogue.get_artifact(publication.artifact_id)
        inputs = [catalogue.get_artifact(artifact_id) for artifact_id in publication.input_artifact_ids]
        found = {(owner(taken), owner(made)) for taken in inputs}
        declared = {edge for edge in graph_edges() - OF_ALIASES if edge[1] == owner(made)}
        if found - OF_ALIASES != declared:
            yield f"{owner(made)} {made.logical_key}: made from {sorted(found)}, the graph says {sorted(declared)}"
        for taken in inputs:
            if (owner(taken), owner(made)) in edges_within_a_partition() and partition(taken) != partition(made):
                yield f"{owner(made)} {made.logical_key} is made from another partition, {taken.logical_key}"


def _of_openlineage(lab: Lab, events: list[Event]) -> Iterator[str]:
    """Every publication with its identity and inputs is told once, and its run is one of the asset that owns it."""
    told, manifest = received(events), recorded(lab.catalogue)
    yield from (f"told but not in the manifest: {more}" for more in told - manifest)
    yield from (f"in the manifest but not told: {less}" for less in manifest - told)
    pairs = {(i, p.artifact_id) for p in lab.catalogue.publications() for i in p.input_artifact_ids}
    yield from (f"an edge of one story only: {edge}" for edge in set(edges(events)) ^ pairs)
    for event in events:
        yield from breaches(event)
        if "run" in event:
            assets = {output["facets"]["quantlab_artifact"]["asset"] for output in event["outputs"]}
            if assets != {event["job"]["name"]}:
                yield f"the run of {event['job']['name']} published {assets}"


def openlineage_edges(lab: Lab) -> set[Edge]:
    """(asset of an input, job) of all runs that were told: the graph as a receiver draws it."""
    return {
        (taken["facets"]["quantlab_artifact"]["asset"], event["job"]["name"])
        for event in waiting_events(lab.catalogue, lab.paths)
        for taken in event.get("inputs", ())
    }
