"""The one IO manager: materializations become immutable artifacts in the manifest, inputs are read from there.

Order of a write: bytes, then manifest, then Dagster's event. Dagster's event log is a claim about the lake; the
manifest answers what the inputs were and what is current.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import Field

from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_core.errors import ConflictError, SchemaError
from quantlab_resources.dagster_io.artifact_draft import AssetDrafts, RangeDrafts
from quantlab_resources.dagster_io.frames import frame_of
from quantlab_resources.dagster_io.materialization_metadata import metadata_of, total_metadata
from quantlab_resources.dagster_io.own_events import own_events
from quantlab_resources.dagster_io.publish_group import publish_group
from quantlab_resources.dagster_io.publish_range import publish_range
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.lab import lab_at


class LakeIOManager(dg.ConfigurableIOManager):
    """Publishes the drafts of an asset and hands its upstream artifacts to the next.

    ``load_input`` returns what the consumer annotates: `UpstreamArtifacts` (the handle that our own assets use), or all
    rows of the mapped upstream partitions as ``pyarrow.Table``, ``polars.DataFrame``, ``polars.LazyFrame`` or
    ``pandas.DataFrame``.
    """

    home: str | None = Field(default=None, description="Folder of the lake; empty: QUANTLAB_HOME, else ./lake")

    def handle_output(self, context: dg.OutputContext, obj: AssetDrafts) -> None:
        """Publish what is pending of the step, then describe this asset's share of it to Dagster."""
        if not isinstance(obj, AssetDrafts):
            raise SchemaError(
                f"{context.asset_key.to_user_string()} returned {type(obj).__name__}; an asset of the lake returns "
                "artifact drafts (see quantlab_assets/artifact_asset.py); nothing was published"
            )
        lab = lab_at(self.home)
        step = obj.step
        if isinstance(step, RangeDrafts):
            with own_events(context) as events:
                if step.pending():
                    publish_range(context, lab, step, events)
            context.add_output_metadata(total_metadata(step.totals.get(obj.asset)))
            return
        try:
            group = step.pending()
            if group is not None:
                step.record(publish_group(context, lab, group))
        except BaseException as error:
            step.release_after(error)
            raise
        # Dagster's own event tells all of this: a line in the log beside it would cost half as much as the publish.
        context.add_output_metadata(dict(metadata_of(step.published(obj.asset))))

    def load_input(self, context: dg.InputContext) -> Any:
        """The upstream artifacts, as the consumer's annotation asks for them."""
        lab = lab_at(self.home)
        spec = spec_of_asset(context.asset_key.to_user_string())
        run_id, step_key = context.step_context.run_id, context.step_context.step.key
        run_view = lab.run_view(run_id)

        def record(artifact_id: str) -> None:
            lab.read_ledger.record(run_id, step_key, artifact_id)

        named: set[str] = set()

        def heads(prefix: str) -> list[Artifact]:
            usable: list[Artifact] = []
            for head in run_view.heads(spec, prefix):
                if key_parts_of(head) is not None:
                    usable.append(head)
                elif head.artifact_id not in named:
                    named.add(head.artifact_id)
                    context.log.warning(
                        f"left out {head.artifact_id}: {head.logical_key!r} is no key of {head.artifact_type} "
                        f"version {head.schema_version}"
                    )
            return usable

        upstream = UpstreamArtifacts(
            spec,
            lab.artifacts,
            heads,
            record,
            key_prefix=_owner_prefix(spec, context),
        )
        wanted = context.dagster_type.typing_type
        if wanted is UpstreamArtifacts:
            return upstream
        partitions = list(context.asset_partition_keys) if context.has_asset_partitions else None
        return frame_of(upstream, partitions, wanted)


def spec_of_asset(asset: str) -> ArtifactType:
    """The newest artifact type that the asset owns. Raises ConflictError for an asset without one."""
    specs = [spec for spec in ARTIFACT_TYPES if asset in spec.assets]
    if not specs:
        raise ConflictError(f"asset {asset} owns no artifact type; declare one in quantlab_core/*/artifact_types.py")
    return max(specs, key=lambda spec: spec.version)


def _owner_prefix(spec: ArtifactType, context: dg.InputContext) -> str:
    if isinstance(spec.asset, str):
        return ""
    owner = context.asset_key.to_user_string()
    value = next(value for value, asset in spec.asset.items() if asset == owner)
    return f"{spec.key_parts[0]}={value}/"
