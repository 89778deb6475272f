"""``quantlab artifacts``: look at what the lake holds, and at what was made from what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import (
    Column,
    Format,
    console,
    format_option,
    show_csv,
    show_facts,
    show_json,
    show_rows,
    shown,
)

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from quantlab_core.artifacts.artifact import Artifact, ArtifactLineage

STATUSES = ("active", "superseded", "tombstoned")
WIDEST_BRANCH = 8
"""So many inputs are drawn under one artifact of a tree; JSON and CSV have all."""

COLUMNS = (
    Column("artifactId", "artifact id"),
    Column("artifactType", "type", shrinks=True),
    Column("logicalKey", "key", shrinks=True),
    Column("status", "status", shrinks=True),
    Column("rowCount", "rows", is_number=True),
    Column("createdAt", "created (UTC)", shrinks=True),
)


class Depth(click.ParamType):
    """A number of edges, or ``all``, which is None."""

    name = "N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """The depth that ``value`` names."""
        if value == "all":
            return None
        try:
            depth = int(value)
        except ValueError:
            depth = 0
        if depth < 1:
            self.fail(f"{value!r} is neither a whole number from 1 nor 'all'", param, ctx)
        return depth


def parse_tags(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """``k=v`` pairs as a mapping."""
    tags = {}
    for value in values:
        key, equals, tag = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r} is not of the form key=value")
        tags[key] = tag
    return tags


depth_option = click.option(
    "--depth", type=Depth(), default="1", show_default=True, help="How many steps away; 'all' goes to the end."
)


@click.group(cls=LakeGroup)
def artifacts() -> None:
    """Look at what the lake holds, and at what was made from what."""


@artifacts.command("list")
@click.option("--type", "artifact_type", metavar="TYPE", help="Only this artifact type, e.g. alerts_v1.")
@click.option("--status", type=click.Choice(STATUSES), help="Only artifacts that stand so.")
@click.option(
    "--tag", "tags", multiple=True, callback=parse_tags, metavar="K=V", help="Only with this tag; repeatable."
)
@click.option("--min-created-at", metavar="ISO", help="Created then or later: a date, or a time with zone.")
@click.option("--max-created-at", metavar="ISO", help="Created then or earlier; a date covers its whole day.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many, newest first."
)
@format_option
@click.pass_obj
def list_artifacts(
    invocation: Invocation,
    artifact_type: str | None,
    status: str | None,
    tags: dict[str, str],
    min_created_at: str | None,
    max_created_at: str | None,
    limit: int,
    output_format: Format,
) -> None:
    """List artifacts, newest first."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus

    found = existing_lake(invocation).catalogue.list_artifacts(
        ArtifactFilter(
            artifact_type=artifact_type,
            status=None if status is None else ArtifactStatus(status),
            tags=tags,
            min_created_at=min_created_at,
            max_created_at=max_created_at,
            limit=limit,
        )
    )
    _show(found.artifacts, output_format, nothing="no artifact matches")
    if found.is_cut:
        click.echo(f"the list is cut at {limit}; --limit shows more", err=True)


@artifacts.command("get")
@click.argument("artifact_id", metavar="ID")
@format_option
@click.pass_obj
def get(invocation: Invocation, artifact_id: str, output_format: Format) -> None:
    """Show one artifact, its tags and who published it."""
    from quantlab_cli.json_shapes import artifact_json, publication_json
    from quantlab_cli.open_lake import existing_lake

    catalogue = existing_lake(invocation).catalogue
    artifact = artifact_json(catalogue.get_artifact(artifact_id))
    tags = catalogue.tags(artifact_id)
    publications = [publication_json(publication) for publication in catalogue.publications(artifact_id)]
    if output_format == "table":
        # Members of a set come with it, but what it was made from is the set.
        inputs = sum(edge.artifact_id == artifact_id for edge in catalogue.get_lineage(artifact_id).edges)
        show_facts(artifact | {"tags": _tags_line(tags), "inputs": inputs, **_publications_facts(publications)})
        return
    row = artifact | {"tags": [{"name": name, "value": value} for name, value in tags], "publications": publications}
    if output_format == "json":
        show_json(row)
    else:
        show_csv([row], list(row))


@artifacts.command("find")
@click.option("--type", "artifact_type", required=True, metavar="TYPE", help="Artifact type, e.g. alerts_v1.")
@click.option(
    "--key", "logical_key", required=True, metavar="KEY", help="Logical key, e.g. day=2025-05-01/chain=solana."
)
@format_option
@click.pass_obj
def find(invocation: Invocation, artifact_type: str, logical_key: str, output_format: Format) -> None:
    """List everything that was ever published under one key, newest first."""
    from quantlab_cli.open_lake import existing_lake

    found = existing_lake(invocation).catalogue.find_by_logical_key(artifact_type, logical_key)
    _show(found, output_format, nothing=f"nothing was ever published as {artifact_type} under {logical_key}")


@artifacts.command("lineage")
@click.argument("artifact_id", metavar="ID")
@depth_option
@format_option
@click.pass_obj
def lineage(invocation: Invocation, artifact_id: str, depth: int | None, output_format: Format) -> None:
    """Show what an artifact was made from."""
    from quantlab_cli.json_shapes import lineage_json
    from quantlab_cli.open_lake import existing_lake

    catalogue = existing_lake(invocation).catalogue
    found = catalogue.get_lineage(artifact_id, depth)
    if output_format == "json":
        show_json(lineage_json(found))
    elif output_format == "csv":
        _show(found.inputs, output_format, nothing="")
    else:
        console().print(_tree(catalogue.get_artifact(artifact_id), found))
        if not found.inputs:
            click.echo("it was made from no other artifact")


@artifacts.command("downstream")
@click.argument("artifact_id", metavar="ID")
@depth_option
@format_option
@click.pass_obj
def downstream(invocation: Invocation, artifact_id: str, depth: int | None, output_format: Format) -> None:
    """List what was made from an artifact, nearest first."""
    from quantlab_cli.open_lake import existing_lake

    found = existing_lake(invocation).catalogue.get_downstream(artifact_id, depth)
    _show(found, output_format, nothing="nothing was made from it")


def _tags_line(tags: Sequence[tuple[str, str]]) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in tags) or None


def _publications_facts(publications: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not publications:
        return {"published": "by the earlier store"}
    latest = publications[-1]
    writer, git = latest["writer"], latest["git"]
    dirty = ", changed" if git["dirty"] else ""
    return {
        "published": f"{len(publications):,} times" if len(publications) > 1 else "once",
        "latest": f"{latest['at']} by {writer['name']} {writer['version']} (commit {git['commit'][:12]}{dirty})",
    }


def _show(found: Iterable[Artifact], output_format: Format, *, nothing: str) -> None:
    from quantlab_cli.json_shapes import artifact_json

    show_rows([artifact_json(artifact) for artifact in found], COLUMNS, output_format, nothing=nothing)


def _tree(start: Artifact, lineage: ArtifactLineage) -> Tree:
    """The lineage as a tree; what was drawn once is only named when it comes again."""
    from rich.text import Text
    from rich.tree import Tree

    artifacts_by_id = {artifact.artifact_id: artifact for artifact in (start, *lineage.inputs)}
    inputs_of: dict[str, list[str]] = {}
    for edge in lineage.edges:
        inputs_of.setdefault(edge.artifact_id, []).append(edge.input_artifact_id)
    root = Tree(_label(start))
    drawn: set[str] = set()
    waiting: list[tuple[Tree, str | Text]] = [(root, start.artifact_id)]
    while waiting:
        branch, item = waiting.pop()
        if isinstance(item, Text):
            branch.add(item)
            continue
        inputs = inputs_of.get(item, [])
        if item in drawn and inputs:
            branch.add(Text(f"{item}  see above"))
            continue
        node = branch.add(_label(artifacts_by_id[item])) if drawn else root
        drawn.add(item)
        if len(inputs) > WIDEST_BRANCH:
            more = len(inputs) - WIDEST_BRANCH
            waiting.append((node, Text(f"… and {more:,} of {len(inputs):,} inputs that --format csv lists")))
        waiting.extend((node, input_id) for input_id in reversed(inputs[:WIDEST_BRANCH]))
    return root


def _label(artifact: Artifact) -> Text:
    from rich.text import Text

    status = "" if artifact.status == "active" else f"  ({artifact.status})"
    label = shown(f"{artifact.artifact_id}  {artifact.artifact_type}  {artifact.logical_key}{status}")
    return Text(label, no_wrap=True, overflow="ellipsis")
