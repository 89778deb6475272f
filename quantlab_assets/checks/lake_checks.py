"""Checks that every asset of the lake has: its files are whole, and its rows are about as many as they used to be.

They can be run by themselves at any time; a run that materializes assets in the UI runs theirs at its end, all in one
step. What a run publishes was judged by the store before, so these look at what became of it on the disk since.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import dagster as dg

from quantlab_assets.metadata_table import table_of
from quantlab_assets.partitions import PARTITION_TAG, RANGE_TAGS
from quantlab_core.artifacts.row_count_drift import FACTOR, RowCounts
from quantlab_resources.artifacts.upkeep.spot_check import SpotCheck, spot_check
from quantlab_resources.dagster_io.asset_artifacts import asset_artifacts, type_names
from quantlab_resources.dagster_io.row_counts import row_counts
from quantlab_resources.lab import Lab

IS_WHOLE = "is_whole"
ROW_COUNT = "row_count_is_usual"
SECONDS = 2.0
"""So long files of one asset are read; at least one always is."""

_IS_WHOLE_DOC = (
    "Every current file is there; those that are read have the recorded hash and content, the columns of their type, "
    "rows in its order and no repeated key. Reads another sample every day, for "
    f"{SECONDS:g} seconds unless the run's setting says longer; `quantlab lake verify` reads everything."
)
_ROW_COUNT_DOC = (
    f"Warns when a partition that was materialized last has more than {FACTOR:g} times, or less than 1/{FACTOR:g} of, "
    "the rows that its earlier materializations had (their median)."
)


def lake_checks(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> dg.AssetChecksDefinition:
    """The checks of these assets: both of what the graph computes, `is_whole` alone of what people hand in."""
    partitions: dict[dg.AssetKey, dg.PartitionsDefinition | None] = {}
    specs: list[dg.AssetCheckSpec] = []
    for asset in assets:
        for spec in [asset] if isinstance(asset, dg.AssetSpec) else asset.specs:
            if not type_names(spec.key.to_user_string()):
                continue
            partitions[spec.key] = spec.partitions_def
            specs.append(dg.AssetCheckSpec(IS_WHOLE, asset=spec.key, description=_IS_WHOLE_DOC))
            if isinstance(asset, dg.AssetsDefinition):
                specs.append(dg.AssetCheckSpec(ROW_COUNT, asset=spec.key, description=_ROW_COUNT_DOC))

    @dg.multi_asset_check(
        name="lake_checks",
        description="Looks at the stored files and the row counts of the chosen assets.",
        specs=specs,
        can_subset=True,
        required_resource_keys={"lab"},
        config_schema={
            "seconds": dg.Field(
                float,
                default_value=SECONDS,
                is_required=False,
                description="how long the files of each asset are read; at least one always is",
            )
        },
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Every chosen check, in the order of the graph's names."""
        lab: Lab = context.resources.lab.get()
        seconds = context.op_execution_context.op_config["seconds"]
        sample = lab.clock.now().date().isoformat()
        for key in sorted(context.selected_asset_check_keys, key=lambda one: (one.asset_key, one.name)):
            asset = key.asset_key.to_user_string()
            if key.name == IS_WHOLE:
                touched = _partitions_of(context.run.tags, partitions[key.asset_key], context.instance)
                ids = [head.artifact_id for head in asset_artifacts(lab.artifacts, asset, touched)]
                yield is_whole_result(asset, spot_check(lab.artifacts, ids, seconds=seconds, sample=sample), touched)
            else:
                yield row_count_result(asset, row_counts(lab.artifacts, asset, context.run.run_id))

    return checks


def is_whole_result(asset: str, found: SpotCheck, partitions: Collection[str] | None = None) -> dg.AssetCheckResult:
    """What Dagster shows of a spot check."""
    where = "" if partitions is None else f" of {_counted(len(partitions), 'partition')}"
    artifacts = _counted(found.artifacts, "artifact")
    is_complete = found.read == found.artifacts
    looked_at = f"{artifacts}{where} read" if is_complete else f"{found.read:,} of {artifacts}{where} read"
    if found.problems:
        first = found.problems[0]
        description = f"{_counted(len(found.problems), 'problem')} in {looked_at}; first: {first.detail}"
    elif not found.artifacts:
        description = f"nothing to look at: there is no current artifact{where}"
    elif is_complete:
        description = f"{looked_at}, and whole"
    else:
        has_looked = found.looked_for == found.artifacts
        there = "all files are there" if has_looked else f"{found.looked_for:,} files are there"
        description = f"{there}; {looked_at}, and whole"
    metadata: dict[str, dg.MetadataValue] = {
        "artifacts": dg.MetadataValue.int(found.artifacts),
        "files_found": dg.MetadataValue.int(found.looked_for),
        "artifacts_read": dg.MetadataValue.int(found.read),
        "bytes_read": dg.MetadataValue.int(found.byte_size),
        "problems": dg.MetadataValue.int(len(found.problems)),
    }
    metadata |= table_of(
        "what_is_wrong",
        [
            {
                "problem": problem.what,
                "logical_key": problem.logical_key,
                "artifact_id": problem.artifact_id,
                "detail": problem.detail,
            }
            for problem in found.problems
        ],
    )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=IS_WHOLE,
        passed=not found.problems,
        description=description,
        metadata=metadata,
    )


def row_count_result(asset: str, counts: Sequence[RowCounts]) -> dg.AssetCheckResult:
    """What Dagster shows of row counts: a warning where they are unusual, for odd data is still data."""
    compared = [one for one in counts if one.usual is not None]
    unusual = [one for one in compared if one.is_unusual]
    if unusual:
        first = unusual[0]
        description = (
            f"{len(unusual):,} of {len(compared):,} are unusual; first: {first.name} has {first.now:,} rows,"
            f" usual are {first.usual:,.0f}"
        )
    elif compared:
        description = f"{len(compared):,} compared with earlier materializations, none is unusual"
    else:
        description = "nothing to compare with: the last materialization was the first"
    metadata: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(sum(one.now for one in counts)),
        "compared": dg.MetadataValue.int(len(compared)),
        "unusual": dg.MetadataValue.int(len(unusual)),
    }
    metadata |= table_of(
        "unusual_row_counts",
        [{"name": one.name, "rows": one.now, "usual": float(one.usual or 0.0)} for one in unusual],
    )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=ROW_COUNT,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _partitions_of(
    tags: Mapping[str, str], definition: dg.PartitionsDefinition | None, instance: dg.DagsterInstance
) -> list[str] | None:
    """The partitions that a run is about; None: about none, so that all are looked at."""
    if definition is None:
        return None
    if PARTITION_TAG in tags:
        return [tags[PARTITION_TAG]]
    if all(tag in tags for tag in RANGE_TAGS):
        keys = list(definition.get_partition_keys(dynamic_partitions_store=instance))
        first, last = (keys.index(tags[tag]) for tag in RANGE_TAGS)
        return keys[first : last + 1]
    return None
