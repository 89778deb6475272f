"""``quantlab artifacts publish``, ``supersede`` and ``tombstone``: changes that are made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.artifact_commands import artifacts, parse_tags
from quantlab_cli.experiment_arguments import parse_params
from quantlab_cli.lake_command import Invocation
from quantlab_cli.tables import Format, format_option, number_of, show_csv, show_json, shown

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact import PublishResult
    from quantlab_resources.lab import Lab

reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; kept in the history of the key and shown to whoever asks."
)


@artifacts.command("publish")
@click.option("--type", "artifact_type", required=True, metavar="TYPE", help="Artifact type, e.g. experiment_trades.")
@click.option("--version", "schema_version", required=True, type=int, metavar="N", help="Its schema version.")
@click.option("--key", "logical_key", required=True, metavar="KEY", help="Logical key, e.g. experiment=exp-123/trades.")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The table: a CSV or Parquet file."
)
@click.option("--tag", "tags", multiple=True, callback=parse_tags, metavar="K=V", help="A tag; repeatable.")
@click.option("--input", "inputs", multiple=True, metavar="ID", help="An artifact that it was made from; repeatable.")
@click.option("--writer", required=True, metavar="NAME", help="Who made it.")
@click.option("--writer-version", required=True, metavar="VERSION", help="Which version of the writer.")
@click.option(
    "--param",
    "params",
    multiple=True,
    callback=parse_params,
    metavar="NAME=VALUE",
    help="What it was made with; dots lead into a block, the value is read as YAML. Repeatable.",
)
@click.option("--filename-hint", metavar="TEXT", help="Stands in the file name instead of the key.")
@click.option("--revive", is_flag=True, help="Publish content again that was withdrawn.")
@format_option
@click.pass_obj
def publish(
    invocation: Invocation,
    artifact_type: str,
    schema_version: int,
    logical_key: str,
    data: Path,
    tags: dict[str, str],
    inputs: tuple[str, ...],
    writer: str,
    writer_version: str,
    params: dict[str, Any],
    filename_hint: str | None,
    revive: bool,
    output_format: Format,
) -> None:
    """Publish one file as an artifact, for trying things out: what the assets own belongs to their runs."""
    from quantlab_cli.json_shapes import publish_json
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.artifacts.artifact import ArtifactStatus, PublishRequest, Writer

    lab = existing_lake(invocation)
    before = lab.catalogue.find_by_logical_key(artifact_type, logical_key) if revive else []
    withdrawn = {artifact.artifact_id for artifact in before if artifact.status is ArtifactStatus.TOMBSTONED}
    code = lab.code_provenance.code_version()
    result = lab.artifacts.publish(
        PublishRequest(
            artifact_type=artifact_type,
            schema_version=schema_version,
            logical_key=logical_key,
            data=data,
            writer=Writer(writer, writer_version, code.git_commit, code.git_dirty),
            tags=tags,
            input_artifact_ids=inputs,
            params=params,
            filename_hint=filename_hint,
            revive=revive,
        )
    )
    replaced = result.superseded_artifact_id
    changes = {} if replaced is None else {"supersededArtifactId": replaced, **_made_from(lab, replaced)}
    happened = _what_happened(result, was_withdrawn=result.artifact_id in withdrawn)
    _show(publish_json(result) | changes, happened, output_format)


@artifacts.command("supersede")
@click.argument("new", metavar="NEW")
@click.argument("old", metavar="OLD")
@reason_option
@format_option
@click.pass_obj
def supersede(invocation: Invocation, new: str, old: str, reason: str, output_format: Format) -> None:
    """Put the artifact NEW in the place of OLD, which is of the same type."""
    from quantlab_cli.open_lake import existing_lake

    lab = existing_lake(invocation)
    lab.artifacts.supersede(new, old, reason=reason)
    _show({"success": True, **_made_from(lab, old)}, f"{new} stands in place of {old}", output_format)


@artifacts.command("tombstone")
@click.argument("artifact_id", metavar="ID")
@reason_option
@format_option
@click.pass_obj
def tombstone(invocation: Invocation, artifact_id: str, reason: str, output_format: Format) -> None:
    """Withdraw an artifact: it stays readable and traceable, but nothing new is made from it."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.artifacts.artifact import ArtifactStatus

    lab = existing_lake(invocation)
    was_withdrawn = lab.catalogue.get_artifact(artifact_id).status is ArtifactStatus.TOMBSTONED
    lab.artifacts.tombstone(artifact_id, reason=reason)
    happened = "was withdrawn before; nothing changed" if was_withdrawn else "is withdrawn"
    _show({"success": True, **_made_from(lab, artifact_id)}, f"{artifact_id} {happened}", output_format)


def _what_happened(result: PublishResult, *, was_withdrawn: bool) -> str:
    artifact, replaced = result.artifact, result.superseded_artifact_id
    if not result.deduped:
        place = "" if replaced is None else f", in place of {replaced}"
        return f"published {artifact.artifact_id}: {number_of(artifact.row_count, 'row')}{place}"
    equal = "the same bytes" if result.mode == "file_hash" else "the same content"
    if replaced is not None or was_withdrawn:
        place = "" if replaced is None else f", in place of {replaced}"
        return f"{artifact.artifact_id} has {equal} and is current again{place}"
    return f"already there: {artifact.artifact_id} has {equal}; that it was published again is on record"


def _made_from(lab: Lab, artifact_id: str) -> dict[str, int]:
    """How much was made from an artifact that is no longer current, at any distance."""
    from quantlab_resources.artifacts.upkeep.staleness import impact

    found = impact(lab.artifacts, artifact_id, limit=1)
    return {"staleArtifacts": found.artifact_count, "staleExperiments": found.experiment_count}


def _show(answer: dict[str, Any], happened: str, output_format: Format) -> None:
    if output_format == "json":
        show_json(answer)
    elif output_format == "csv":
        show_csv([answer], list(answer))
    else:
        click.echo(shown(happened))
        counts = {"artifact": answer.get("staleArtifacts"), "experiment": answer.get("staleExperiments")}
        stale = [number_of(number, name) for name, number in counts.items() if number]
        if stale:
            click.echo(
                f"now stale, since made from what was replaced: {' and '.join(stale)}; see `quantlab lake stale`"
            )
