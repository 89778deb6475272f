"""The one IO manager: materializations become immutable artifacts in the manifest, inputs are read from there.

Order of a write: bytes, then manifest, then Dagster's event. Dagster's event log is a claim about the lake; the
manifest answers what the inputs were and what is current.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import Field

from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_core.errors import ConflictError, SchemaError
from quantlab_resources.dagster_io.artifact_draft import AssetDrafts, DraftGroup, PublishedPartition, StepDrafts
from quantlab_resources.dagster_io.frames import frame_of
from quantlab_resources.dagster_io.materialization_metadata import metadata_of
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.lab import Lab, lab_at
from quantlab_resources.progress import PublishedUnit, report_progress
from quantlab_resources.version import QUANTLAB_VERSION


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
        try:
            for group in obj.step.pending():
                self._publish(context, lab, group, obj.step)
        except BaseException as error:
            obj.step.release_after(error)
            raise
        published = obj.step.published(obj.asset)
        context.add_output_metadata(dict(metadata_of(published)))

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

    def _publish(self, context: dg.OutputContext, lab: Lab, group: DraftGroup, step: StepDrafts) -> None:
        run_id, step_key = context.step_context.run_id, context.step_context.step.key
        code = lab.code_provenance.code_version()
        requests = []
        for draft in group.drafts:
            inputs = tuple(lab.read_ledger.read_by(run_id, step_key) if draft.inputs is None else draft.inputs)
            lab.read_ledger.check(run_id, step_key, inputs, draft.logical_key)
            requests.append(
                PublishRequest(
                    artifact_type=draft.spec.name,
                    schema_version=draft.spec.version,
                    logical_key=draft.logical_key,
                    data=draft.table,
                    writer=Writer(f"quantlab.{draft.asset}", QUANTLAB_VERSION, code.git_commit, code.git_dirty),
                    tags=draft.tags,
                    input_artifact_ids=inputs,
                    params=draft.params,
                    run_id=run_id,
                    as_of_sequence=lab.run_view(run_id).sequence,
                )
            )
        results = lab.artifacts.publish_many(requests, transition=group.transition)
        for asset in _assets_of_step(context):
            pairs = [pair for pair in zip(group.drafts, results, strict=True) if pair[0].asset == asset]
            own = tuple(result for _, result in pairs)
            preview = {name: value for draft, _ in pairs for name, value in draft.preview.items()}
            size = lab.artifacts.stored_bytes([result.artifact.artifact_id for result in own])
            step.record(asset, PublishedPartition(group.partition, own, preview, size))
            new = sum(not result.deduped for result in own)
            context.log.info(
                f"{asset}{f'[{group.partition}]' if group.partition else ''}: {len(own)} artifacts, {new} new"
            )
            report_progress(PublishedUnit(asset, group.partition, len(own), new))


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


def _assets_of_step(context: dg.OutputContext) -> list[str]:
    layer = context.step_context.job_def.asset_layer
    node = layer.get(context.asset_key).assets_def
    return [key.to_user_string() for key in node.keys]
