"""``quantlab strategies``: the presets, and what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import Column, Format, format_option, show_json, show_rows

if TYPE_CHECKING:
    from quantlab_core.simulation.strategy import Strategy
    from quantlab_resources.strategies.known_strategies import KnownStrategy

STRATEGY_COLUMNS = (
    Column("name", "name"),
    Column("kind", "kind"),
    Column("entryMode", "entry"),
    Column("maxHoldMin", "hold (min)", is_number=True),
    Column("description", "description", shrinks=True),
    Column("artifactId", "artifact id", shrinks=True),
)


@click.group(cls=LakeGroup)
def strategies() -> None:
    """See the strategies that experiments can name, and publish one."""


@strategies.command("list")
@format_option
@click.pass_obj
def list_strategies(invocation: Invocation, output_format: Format) -> None:
    """List the presets, then what was published, each as it is current."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.strategies.known_strategies import known_strategies

    rows = [_row(known) for known in known_strategies(existing_lake(invocation).artifacts)]
    show_rows(rows, STRATEGY_COLUMNS, output_format, nothing="no strategy")


@strategies.command("show")
@click.argument("strategy", metavar="NAME|ID|FILE")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="YAML that can be kept as a strategy file, or JSON.",
)
@click.pass_obj
def show(invocation: Invocation, strategy: str, output_format: Literal["table", "json"]) -> None:
    """Write a strategy out with all its defaults; one of the earlier system with today's keys."""
    from quantlab_core.simulation.strategy import strategy_mapping

    mapping = strategy_mapping(_strategy(invocation, strategy))
    if output_format == "json":
        show_json(mapping)
        return
    import yaml

    # A line for each key; pairs stay on one line.
    click.echo(
        yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100), nl=False
    )


@strategies.command("publish")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.pass_obj
def publish(invocation: Invocation, file: Path) -> None:
    """Publish the strategy in FILE under its name, in place of the last one of that name.

    Experiments keep the strategy that they were made with.
    """
    from quantlab_assets.workflows.publish_strategy import publish_named_strategy
    from quantlab_cli.open_lake import running_on_new_or_existing
    from quantlab_core.simulation.strategy import parse_strategy
    from quantlab_resources.strategies.strategy_file import read_strategy_file

    strategy = parse_strategy(read_strategy_file(file))
    with running_on_new_or_existing(invocation) as runs:
        artifact, is_new = publish_named_strategy(runs, strategy)
    state = "published" if is_new else "was current already"
    click.echo(f"strategy {strategy.name}: {artifact.artifact_id}, {state}")
    click.echo(f'use it: quantlab experiments create --name NAME --strategy "{strategy.name}"')


def _strategy(invocation: Invocation, text: str) -> Strategy:
    """A preset and a file need no lake."""
    from quantlab_core.simulation.presets import PRESETS, preset
    from quantlab_core.simulation.strategy import parse_strategy
    from quantlab_resources.strategies.strategy_file import is_strategy_file, read_strategy_file

    if is_strategy_file(text):
        return parse_strategy(read_strategy_file(Path(text)))
    if text in PRESETS:
        return preset(text)
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.strategies.known_strategies import find_strategy

    return find_strategy(existing_lake(invocation).artifacts, text).strategy


def _row(known: KnownStrategy) -> dict[str, Any]:
    from quantlab_core.strategies.strategy_table import strategy_hash

    strategy = known.strategy
    row = {
        "name": strategy.name,
        "kind": "preset" if known.is_preset else "published",
        "description": strategy.description,
        "entryMode": strategy.entry_mode,
        "maxHoldMin": strategy.max_hold_min,
        "strategyHash": strategy_hash(strategy),
        "artifactId": None if known.artifact is None else known.artifact.artifact_id,
        "publishedAt": None if known.artifact is None else known.artifact.created_at,
    }
    return {key: value for key, value in row.items() if value is not None}
