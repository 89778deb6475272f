"""How an asset of the lake is made: a function that yields drafts for one partition becomes a Dagster multi-asset.

The function gets the lab, the partition key and one `UpstreamArtifacts` handle per input. It runs once per partition;
the IO manager publishes each partition's drafts in one transaction. Every Dagster asset in this package is made here,
so that groups, owners, column schemas, code versions and exact data versions are never forgotten.

To add a new artifact type: declare its `ArtifactType` (in quantlab_core), then one `artifact_asset` function.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from quantlab_assets.checks.blocking_checks import BlockingCheck, Verdicts
from quantlab_assets.column_lineage import with_column_lineage
from quantlab_assets.group_guides import guided
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType, description_of
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.logical_key import key_template, parse_key
from quantlab_core.errors import NotFoundError
from quantlab_core.experiments.experiment import ExperimentTransition
from quantlab_resources.artifacts.raw_files import check_raw_file, raw_file_path
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft, AssetDrafts, DraftGroup, RangeDrafts, StepDrafts
from quantlab_resources.dagster_io.event_tags import CODE_VERSION_TAG, input_tags
from quantlab_resources.dagster_io.materialization_metadata import set_hash
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.lab import Lab

OWNER = "team:quantlab"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One input: the upstream asset and, where it is not the default, how its partitions map to ours."""

    asset: str
    partition_mapping: dg.PartitionMapping | None = None


@dataclass(frozen=True, slots=True)
class RawInput:
    """An archived raw file: its artifact and where its bytes are."""

    artifact: Artifact
    path: Path


@dataclass(frozen=True)
class Step:
    """What an asset function is given for one partition."""

    lab: Lab
    partition: str | None
    context: dg.AssetExecutionContext
    inputs: Mapping[str, UpstreamArtifacts]
    config: Mapping[str, Any]
    resources: ExitStack
    """Closed after the drafts were published, or the step failed: for locks that must be held until then."""

    def __getitem__(self, name: str) -> UpstreamArtifacts:
        return self.inputs[name]

    @property
    def key(self) -> str:
        """The partition key of a partitioned asset."""
        if self.partition is None:
            raise TypeError(f"{self.context.asset_key.to_user_string()} is not partitioned")
        return self.partition

    def raw_file(self, kind: str) -> RawInput:
        """The archived raw file of this partition, its bytes checked, noted as read.

        Raises NotFoundError when nothing was archived, IntegrityError when the bytes are not what was archived.
        """
        found = self.lab.artifacts.heads(RAW_FILE.name, f"kind={kind}/sha256={self.key}")
        if len(found) != 1:
            raise NotFoundError(
                f"raw file {self.key} not found in the lake; "
                "`quantlab alerts ingest` or `quantlab ohlcv import` archives one"
            )
        (artifact,) = found
        sha256 = parse_key(RAW_FILE, artifact.logical_key)["sha256"]
        check_raw_file(self.lab.artifacts, sha256)
        self.note_read(artifact.artifact_id)
        return RawInput(artifact, raw_file_path(self.lab.artifacts, sha256))

    def note_read(self, artifact_id: str) -> None:
        """Note as an input what no handle can know: raw files, and what a candle source read."""
        self.lab.read_ledger.record(
            self.context.run.run_id, self.context.op_execution_context.op_handle.name, artifact_id
        )

    def published_parts(self, spec: ArtifactType, part: str, **key: str) -> set[str]:
        """Values of one key part among the current artifacts of a partition, so that a key whose rows vanished gets an
        empty successor instead of staying behind."""
        prefix = "/".join(f"{name}={value}" for name, value in key.items())
        parts = [key_parts_of(head) for head in self.lab.artifacts.heads(spec.name, f"{prefix}/")]
        return {found[part] for found in parts if found is not None}


@dataclass(frozen=True, slots=True)
class Drafts:
    """Drafts with an experiment's change of state that must become true together with them."""

    drafts: Sequence[ArtifactDraft]
    transition: ExperimentTransition


DraftFunction = Callable[[Step], "Iterable[ArtifactDraft] | Drafts"]
GroupFunction = Callable[[str | None, ExitStack], DraftGroup]


def artifact_asset(
    *,
    name: str,
    specs: Sequence[ArtifactType],
    group: str,
    code_version: str,
    inputs: Mapping[str, Upstream] | None = None,
    deps: Sequence[str] = (),
    partitions_def: dg.PartitionsDefinition | None = None,
    kinds: Sequence[str] = (),
    config_schema: Mapping[str, Any] | None = None,
    pool: str | None = None,
    checks: Sequence[BlockingCheck] = (),
) -> Callable[[DraftFunction], dg.AssetsDefinition]:
    """Make a Dagster asset (one per spec, computed together) out of a function that yields drafts.

    ``specs`` are the artifact types that it produces, each owned by one asset. ``inputs`` are read through handles;
    ``deps`` are upstream assets that are read otherwise (raw files). ``checks`` judge each partition's drafts before
    they are published; they belong to the first asset.
    """
    upstreams = dict(inputs or {})

    def decorate(function: DraftFunction) -> dg.AssetsDefinition:
        assets = {_asset_name(spec, name): spec for spec in specs}

        def compute(context: dg.AssetExecutionContext, **handles: UpstreamArtifacts) -> Iterator[Any]:
            lab = context.resources.lab.get()
            run_id, step_key = context.run.run_id, context.op_execution_context.op_handle.name
            lab.run_view(run_id)  # a run sees the lake as of its first step, also when that step reads nothing
            config = dict(context.op_execution_context.op_config or {}) if config_schema else {}
            keys: list[str | None] = [*sorted(context.partition_keys)] if partitions_def is not None else [None]
            verdicts = Verdicts(next(iter(assets)), checks)

            def group_of(key: str | None, resources: ExitStack) -> DraftGroup:
                lab.read_ledger.forget(run_id, step_key)  # another partition's reads are not inputs of this one
                step = Step(lab, key, context, handles, config, resources)
                group = _draft_group(function(step), key)
                verdicts.judge(step, group.drafts)
                return group

            try:
                if len(keys) == 1:
                    yield from _outputs_of_one(keys[0], group_of, assets, verdicts)
                else:
                    yield from _outputs_of_many(context, keys, group_of, assets, verdicts, code_version)
            finally:
                lab.read_ledger.forget(run_id, step_key)
                for handle in handles.values():
                    handle.drop_cache()  # Dagster may keep a step as long as the process lives

        compute.__name__ = name
        compute.__doc__ = function.__doc__
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            return dg.multi_asset(
                name=name,
                outs={
                    asset: _asset_out(asset, spec, group, code_version, kinds, function.__doc__)
                    for asset, spec in assets.items()
                },
                ins={
                    argument: dg.AssetIn(
                        upstream.asset,
                        partition_mapping=upstream.partition_mapping,
                        dagster_type=UPSTREAM_TYPE,
                    )
                    for argument, upstream in upstreams.items()
                },
                deps=list(deps),
                partitions_def=partitions_def,
                backfill_policy=dg.BackfillPolicy.single_run() if partitions_def is not None else None,
                required_resource_keys={"lab"},
                config_schema=dict(config_schema) if config_schema else None,
                pool=pool,
                check_specs=[check.spec(next(iter(assets))) for check in checks],
            )(compute)

    return decorate


def _outputs_of_one(
    key: str | None, group_of: GroupFunction, assets: Iterable[str], verdicts: Verdicts
) -> Iterator[Any]:
    """Hand the one group to the IO manager, with its data version, if its checks let it pass."""
    with ExitStack() as resources:
        group = group_of(key, resources)
        yield from verdicts.results()
        verdicts.require_passed(key)
        step = StepDrafts(group, resources)
        for asset in assets:
            yield _output_with_version(AssetDrafts(asset, step), _planned_version(group, asset))


def _outputs_of_many(
    context: dg.AssetExecutionContext,
    keys: Sequence[str | None],
    group_of: GroupFunction,
    assets: Mapping[str, ArtifactType],
    verdicts: Verdicts,
    code_version: str,
) -> Iterator[Any]:
    """Hand the range to the IO manager, which makes the groups one at a time.

    Dagster would give all partitions one data version, so the IO manager writes the materialization events itself: one
    for each partition, with its own version, as soon as it is published.
    """

    def passed_group(key: str, resources: ExitStack) -> DraftGroup:
        group = group_of(key, resources)
        verdicts.require_passed(key)
        return group

    step = RangeDrafts(
        [key for key in keys if key is not None],
        passed_group,
        specs=list(assets.values()),
        code_version=code_version,
        tags={CODE_VERSION_TAG: code_version, **_input_tags(context)},
        after_failures=lambda: verdicts.report_failures(context.instance),
    )
    for asset in assets:
        yield dg.Output(AssetDrafts(asset, step), output_name=asset)
    yield from verdicts.results()


def _input_tags(context: dg.AssetExecutionContext) -> dict[str, str]:
    """What Dagster notes of the inputs with events of its own."""
    assets_def = context.assets_def
    return input_tags(context.instance, {key for own in assets_def.keys for key in assets_def.asset_deps[own]})


def _output_with_version(drafts: AssetDrafts, version: str) -> dg.Output[AssetDrafts]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.Output(drafts, output_name=drafts.asset, data_version=dg.DataVersion(version))


UPSTREAM_TYPE = dg.PythonObjectDagsterType(UpstreamArtifacts, name="UpstreamArtifacts")


def _asset_name(spec: ArtifactType, name: str) -> str:
    return spec.asset if isinstance(spec.asset, str) else name


def _draft_group(produced: Iterable[ArtifactDraft] | Drafts, partition: str | None) -> DraftGroup:
    if isinstance(produced, Drafts):
        return DraftGroup(partition, tuple(produced.drafts), produced.transition)
    return DraftGroup(partition, tuple(produced))


def _planned_version(group: DraftGroup, asset: str) -> str:
    return set_hash(
        (draft.spec.name, draft.logical_key, content_hash(draft.table, draft.spec))
        for draft in group.drafts
        if draft.asset == asset
    )


def _asset_out(
    asset: str, spec: ArtifactType, group: str, code_version: str, kinds: Sequence[str], how: str | None
) -> dg.AssetOut:
    return dg.AssetOut(
        dagster_type=dg.Any,
        description=guided(group, asset, f"{spec.doc}\n\n{_paragraph(how)}"),
        group_name=group,
        owners=[OWNER],
        kinds={"parquet", *kinds},
        tags=type_tags(spec),
        code_version=code_version,
        io_manager_key="io_manager",
        metadata=with_column_lineage(asset, type_metadata(spec)),
    )


def type_tags(spec: ArtifactType) -> dict[str, str]:
    """Tags by which the catalogue can be filtered."""
    return {"artifact_type": spec.name, "partitioned_by": spec.partition or "nothing"}


def type_metadata(spec: ArtifactType) -> dict[str, Any]:
    """What Dagster shows of an artifact type: its columns with their meaning, keys and order."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=column.name,
                    type=str(column.type),
                    description=description_of(column),
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                )
                for column in spec.schema
            ]
        ),
        "artifact_type": spec.label,
        "logical_key": key_template(spec),
        "sort_key": ", ".join(spec.sort_key),
    }


def _paragraph(text: str | None) -> str:
    return " ".join((text or "").split())
