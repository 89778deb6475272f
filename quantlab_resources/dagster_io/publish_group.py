"""The drafts of one partition become artifacts, all of them or none."""

from __future__ import annotations

import dagster as dg

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_resources.dagster_io.artifact_draft import DraftGroup, PublishedPartition
from quantlab_resources.lab import Lab
from quantlab_resources.progress import PublishedUnit, report_progress
from quantlab_resources.version import QUANTLAB_VERSION


def publish_group(context: dg.OutputContext, lab: Lab, group: DraftGroup) -> dict[str, PublishedPartition]:
    """Publish the group in one transaction; each asset's share of it, also where that is nothing.

    Raises ConflictError for a draft that claims an input which its step never read, and what publishing raises.
    """
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
    published: dict[str, PublishedPartition] = {}
    for asset in assets_of_step(context):
        pairs = [pair for pair in zip(group.drafts, results, strict=True) if pair[0].asset == asset]
        own = tuple(result for _, result in pairs)
        preview = {name: value for draft, _ in pairs for name, value in draft.preview.items()}
        size = lab.artifacts.stored_bytes([result.artifact.artifact_id for result in own])
        published[asset] = PublishedPartition(group.partition, own, preview, size)
    for asset, share in published.items():
        new = sum(not result.deduped for result in share.results)
        report_progress(PublishedUnit(asset, group.partition, len(share.results), new))
    return published


def assets_of_step(context: dg.OutputContext) -> list[str]:
    """The assets that the step computes together."""
    layer = context.step_context.job_def.asset_layer
    return [key.to_user_string() for key in layer.get(context.asset_key).assets_def.keys]
