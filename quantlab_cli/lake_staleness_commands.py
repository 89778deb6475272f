"""``quantlab lake impact`` and ``quantlab lake stale``: what a correction reaches, before it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import Column, Format, format_option, number_of, show_csv, show_json, show_table, shown

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact import Artifact
    from quantlab_resources.artifacts.upkeep.staleness import Affected, AffectedExperiment, Replacement
    from quantlab_resources.lab import Lab

LONGEST_PART = 12
"""Longer parts of a key are cut to so many characters in a path; JSON and CSV have ids."""

CSV_FIELDS = ("kind", "id", "artifactType", "logicalKey", "status", "path")
CSV_FIELDS_OF_CAUSE = ("replacedArtifactId", "isWithdrawn", "replacedBy", "since", "reason")

BEHIND = (
    Column("asset", "asset"),
    Column("outdated", "outdated", is_number=True),
    Column("judged", "of", is_number=True),
    Column("newerInputs", "newer\ninputs", is_number=True),
    Column("replacedInputs", "replaced\ninputs", is_number=True),
    Column("withdrawnInputs", "withdrawn\ninputs", is_number=True),
    Column("damagedInputs", "damaged\ninputs", is_number=True),
    Column("upstream", "upstream not current", shrinks=True),
)

limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="At most so many artifacts and so many experiments, nearest first.",
)


@lake.command("impact")
@click.argument("artifact_id", metavar="ID")
@limit_option
@format_option
@click.pass_obj
def impact_of(invocation: Invocation, artifact_id: str, limit: int, output_format: Format) -> None:
    """Show what would become stale if an artifact were replaced."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.artifacts.upkeep.staleness import impact

    found = impact(existing_lake(invocation).artifacts, artifact_id, limit=limit)
    if output_format == "json":
        show_json(
            {
                "changed": _brief(found.changed),
                **_counts(found.artifact_count, found.experiment_count, is_cut=found.is_cut),
                "artifacts": [_artifact_json(item) for item in found.artifacts],
                "experiments": [_experiment_json(item) for item in found.experiments],
            }
        )
    elif output_format == "csv":
        show_csv([_csv_row(item) for item in (*found.artifacts, *found.experiments)], CSV_FIELDS)
    else:
        if found.artifact_count or found.experiment_count:
            _show_tables(found.artifacts, found.experiments, {})
        what = _how_many(found.artifact_count, found.experiment_count)
        click.echo(f"{what} would become stale" if what else "nothing was made from it")
    _say_cut(limit, is_cut=found.is_cut)


@lake.command("stale")
@click.option("--type", "artifact_type", metavar="TYPE", help="Only artifacts of this type, and no experiments.")
@limit_option
@format_option
@click.pass_obj
def list_stale(invocation: Invocation, artifact_type: str | None, limit: int, output_format: Format) -> None:
    """List what was made from something that was replaced or withdrawn since; status 0 also when there is any.

    Below it, assets that lack newer inputs, or rest on withdrawn or damaged ones, as the checks is_current say.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.artifacts.upkeep.staleness import stale

    lab = existing_lake(invocation)
    found = stale(lab.artifacts, artifact_type=artifact_type, limit=limit)
    behind = [] if artifact_type or output_format == "csv" else _behind(lab)
    if output_format == "json":
        show_json(
            {
                **_counts(found.artifact_count, found.experiment_count, is_cut=found.is_cut),
                **({} if artifact_type else {"notCurrent": behind}),
                "artifacts": [_artifact_json(item) | _cause_json(item, found.causes) for item in found.artifacts],
                "experiments": [_experiment_json(item) | _cause_json(item, found.causes) for item in found.experiments],
            }
        )
    elif output_format == "csv":
        rows = [
            _csv_row(item) | _csv_cause(found.causes[item.path[-1].artifact_id])
            for item in (*found.artifacts, *found.experiments)
        ]
        show_csv(rows, [*CSV_FIELDS, *CSV_FIELDS_OF_CAUSE])
    else:
        if found.artifact_count or found.experiment_count:
            _show_tables(found.artifacts, found.experiments, found.causes)
        what = _how_many(found.artifact_count, found.experiment_count)
        click.echo(f"{what} stale: made from what is no longer current" if what else "nothing is stale")
        _show_behind(behind)
    _say_cut(limit, is_cut=found.is_cut)


def _behind(lab: Lab) -> list[dict[str, Any]]:
    """Each asset that is not made from everything that is current: how much of it, and how many inputs changed how."""
    from quantlab_resources.freshness.changed_inputs import NEWER, REPLACED, WITHDRAWN, changed_inputs
    from quantlab_resources.freshness.lake_freshness import lake_freshness, not_current

    found = lake_freshness(lab)
    rows = []
    for asset, one in found.items():
        upstream = not_current(found, asset)
        if one.outdated or one.damaged or (upstream and one.judged):
            changes = [change.change for change in changed_inputs(one.outdated)]
            rows.append(
                {
                    "asset": asset,
                    "outdated": len(one.outdated),
                    "judged": one.judged,
                    "newerInputs": changes.count(NEWER),
                    "replacedInputs": changes.count(REPLACED),
                    "withdrawnInputs": changes.count(WITHDRAWN),
                    "damagedInputs": len(one.damaged),
                    "upstreamNotCurrent": list(upstream),
                }
            )
    return rows


def _show_behind(behind: Sequence[dict[str, Any]]) -> None:
    if behind:
        click.echo()
        click.echo("not made from everything that is current:")
        show_table([{**row, "upstream": ", ".join(row["upstreamNotCurrent"])} for row in behind], BEHIND)


def _show_tables(
    artifacts: Sequence[Affected], experiments: Sequence[AffectedExperiment], causes: dict[str, Replacement]
) -> None:
    why = (Column("since", "since (UTC)"), Column("why", "why", shrinks=True)) if causes else ()
    if artifacts:
        show_table(
            [
                {
                    "artifactId": item.artifact.artifact_id,
                    "artifact": _short(item.artifact),
                    "path": _chain(item.path[1:]),
                    **_why(causes.get(item.path[-1].artifact_id)),
                }
                for item in artifacts
            ],
            (
                Column("artifactId", "artifact id"),
                Column("artifact", "artifact", shrinks=True),
                Column("path", "made from", shrinks=True),
                *why,
            ),
        )
        click.echo()
    if experiments:
        show_table(
            [
                {
                    "experimentId": item.experiment_id,
                    "status": item.status.value,
                    "path": _chain(item.path),
                    **_why(causes.get(item.path[-1].artifact_id)),
                }
                for item in experiments
            ],
            (
                Column("experimentId", "experiment id"),
                Column("status", "status"),
                Column("path", "made from", shrinks=True),
                *why,
            ),
        )
        click.echo()


def _why(cause: Replacement | None) -> dict[str, Any]:
    if cause is None:
        return {}
    what = "withdrawn" if cause.is_withdrawn else "superseded"
    return {"since": cause.since, "why": f"{what}: {cause.reason}"}


def _chain(path: Sequence[Artifact]) -> str:
    """What it was made from, step by step to the one that changed."""
    return " ← ".join(map(_short, path))


def _short(artifact: Artifact) -> str:
    """Type and key without the names of the key's parts: ``alerts_v1 2025-05-01/solana``."""
    values = [part.partition("=")[2] or part for part in artifact.logical_key.split("/")]
    brief = "/".join(value if len(value) <= LONGEST_PART else f"{value[: LONGEST_PART - 1]}…" for value in values)
    return shown(f"{artifact.artifact_type} {brief}")


def _how_many(artifacts: int, experiments: int) -> str:
    counts = ((artifacts, "artifact"), (experiments, "experiment"))
    return " and ".join(number_of(number, noun) for number, noun in counts if number)


def _say_cut(limit: int, *, is_cut: bool) -> None:
    if is_cut:
        click.echo(f"the list is cut at {limit}; --limit shows more", err=True)


def _counts(artifacts: int, experiments: int, *, is_cut: bool) -> dict[str, Any]:
    return {"artifactCount": artifacts, "experimentCount": experiments, "isCut": is_cut}


def _brief(artifact: Artifact) -> dict[str, Any]:
    return {
        "artifactId": artifact.artifact_id,
        "artifactType": artifact.artifact_type,
        "logicalKey": artifact.logical_key,
        "status": artifact.status.value,
    }


def _artifact_json(item: Affected) -> dict[str, Any]:
    return {**_brief(item.artifact), "path": [_brief(step) for step in item.path]}


def _experiment_json(item: AffectedExperiment) -> dict[str, Any]:
    return {
        "experimentId": item.experiment_id,
        "status": item.status.value,
        "path": [_brief(step) for step in item.path],
    }


def _cause_json(item: Affected | AffectedExperiment, causes: dict[str, Replacement]) -> dict[str, Any]:
    cause = causes[item.path[-1].artifact_id]
    replaced_by = {} if cause.replaced_by is None else {"replacedBy": _brief(cause.replaced_by)}
    since = {} if cause.since is None else {"since": cause.since}
    return {
        "cause": {
            "replaced": _brief(cause.artifact),
            "isWithdrawn": cause.is_withdrawn,
            **replaced_by,
            **since,
            "reason": cause.reason,
        }
    }


def _csv_row(item: Affected | AffectedExperiment) -> dict[str, Any]:
    path = [step.artifact_id for step in item.path]
    if hasattr(item, "experiment_id"):
        return {"kind": "experiment", "id": item.experiment_id, "status": item.status.value, "path": path}
    artifact = item.artifact
    return {
        "kind": "artifact",
        "id": artifact.artifact_id,
        "artifactType": artifact.artifact_type,
        "logicalKey": artifact.logical_key,
        "status": artifact.status.value,
        "path": path,
    }


def _csv_cause(cause: Replacement) -> dict[str, Any]:
    return {
        "replacedArtifactId": cause.artifact.artifact_id,
        "isWithdrawn": str(cause.is_withdrawn).lower(),
        "replacedBy": None if cause.replaced_by is None else cause.replaced_by.artifact_id,
        "since": cause.since,
        "reason": cause.reason,
    }
