"""``quantlab experiments``: freeze inputs, simulate, and look at what came out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.experiment_arguments import input_options, parse_ids, parse_params
from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.run_settings import check_run_settings
from quantlab_cli.tables import (
    Column,
    Format,
    format_option,
    show_csv,
    show_facts,
    show_json,
    show_rows,
    show_table,
    shown,
)

if TYPE_CHECKING:
    from quantlab_core.experiments.experiment import Experiment, ExperimentProvenance
    from quantlab_resources.experiments.experiment_freezing import DaySelection
    from quantlab_resources.lab import Lab

STATUSES = ("pending", "running", "completed", "failed", "cancelled")
LIST_COLUMNS = (
    Column("experimentId", "experiment id"),
    Column("name", "name", shrinks=True),
    Column("status", "status"),
    Column("strategy", "strategy", shrinks=True),
    Column("createdAt", "created (UTC)", shrinks=True),
    Column("durationSeconds", "seconds", is_number=True),
)


@click.group(cls=LakeGroup)
def experiments() -> None:
    """Freeze inputs, simulate a strategy on them, and look at what came out."""


@experiments.command("create")
@click.option("--name", required=True, help="A name for people.")
@click.option(
    "--strategy",
    required=True,
    metavar="NAME|FILE|ID",
    help="A strategy by name or id (`quantlab strategies list`), or a .yaml or .json file.",
)
@input_options
@click.option(
    "--aliases",
    "caller_aliases",
    metavar="ID|none",
    help="Caller aliases by artifact id, or none  [default: the current ones]",
)
@click.option("--from", "start", metavar="ISO", help="Only alerts from then on: a date, or a time with zone.")
@click.option(
    "--to", "end", metavar="ISO", help="Only alerts up to then: a date with its whole day, or a time (not included)."
)
@click.option(
    "--param",
    "params",
    multiple=True,
    callback=parse_params,
    metavar="K=V",
    help="E.g. portfolio.stake=50; repeatable.",
)
@click.option("--description", help="What it is for.")
@click.option("--id", "experiment_id", metavar="ID", help="Its id  [default: made from name and definition]")
@click.option("--keep-patch", is_flag=True, help="Keep what the code has beyond its commit as an artifact.")
@format_option
@click.pass_obj
def create(
    invocation: Invocation,
    name: str,
    strategy: str,
    alerts: tuple[str, ...],
    ohlcv: tuple[str, ...],
    selection: DaySelection | None,
    caller_aliases: str | None,
    start: str | None,
    end: str | None,
    params: dict[str, Any],
    description: str | None,
    experiment_id: str | None,
    keep_patch: bool,
    output_format: Format,
) -> None:
    """Freeze inputs and a strategy as a new experiment.

    Without --alerts or --select all current alerts are taken, without --ohlcv all current candles. An equal experiment
    that exists is shown instead of making another.
    """
    from quantlab_cli.open_lake import existing_lake, running
    from quantlab_resources.strategies.chosen_strategy import chosen_strategy

    lab = existing_lake(invocation)
    chosen = chosen_strategy(lab.artifacts, strategy)

    check_run_settings()

    from quantlab_assets.workflows.create_experiment import create_experiment
    from quantlab_core.experiments.experiment import DateRange
    from quantlab_resources.experiments.experiment_freezing import ExperimentRequest

    with running(lab) as runs:
        experiment = create_experiment(
            runs,
            ExperimentRequest(
                name=name,
                **chosen,
                alerts=alerts,
                ohlcv=ohlcv,
                selection=selection,
                caller_aliases=caller_aliases,
                date_range=DateRange(start, end),
                params=params,
                description=description,
                experiment_id=experiment_id,
                keeps_patch=keep_patch,
            ),
        )
    show_experiment(lab, experiment, output_format)
    if output_format == "table" and experiment.status == "pending":
        click.echo(f"run it: quantlab experiments execute {experiment.definition.experiment_id}")


@experiments.command("execute")
@click.argument("experiment_id", metavar="ID")
@click.option(
    "--projection",
    type=click.Choice(["pack", "duckdb"]),
    default="pack",
    show_default=True,
    help="duckdb: also put the inputs into a DuckDB file, to be looked at. What is simulated is read from the pack.",
)
@click.pass_obj
def execute(invocation: Invocation, experiment_id: str, projection: str) -> None:
    """Simulate an experiment on its frozen inputs and write its report."""
    from quantlab_cli.headlines import HEADLINE_COLUMNS, headline_row
    from quantlab_cli.open_lake import existing_lake, running

    lab = existing_lake(invocation)
    lab.experiments.get(experiment_id)

    check_run_settings()

    from quantlab_assets.workflows.execute_experiment import execute_experiment

    with running(lab) as runs:
        execution = execute_experiment(runs, experiment_id, with_duckdb=projection == "duckdb")
    if execution.was_completed_before:
        click.echo(f"{experiment_id} was completed before; these are its results")
    show_table([headline_row(lab, execution.experiment)], HEADLINE_COLUMNS)
    click.echo(f"report: {shown(execution.report)}")
    if execution.duckdb is not None:
        click.echo(f"inputs: {shown(execution.duckdb)}")


@experiments.command("get")
@click.argument("experiment_id", metavar="ID")
@format_option
@click.pass_obj
def get(invocation: Invocation, experiment_id: str, output_format: Format) -> None:
    """Show one experiment."""
    from quantlab_cli.open_lake import existing_lake

    lab = existing_lake(invocation)
    experiment = lab.experiments.get(experiment_id)
    if _heal(lab, [experiment]):
        experiment = lab.experiments.get(experiment_id)
    show_experiment(lab, experiment, output_format)


@experiments.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only experiments that stand so.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many, newest first."
)
@click.option("--min-created-at", metavar="ISO", help="Created then or later: a date, or a time with zone.")
@click.option("--max-created-at", metavar="ISO", help="Created then or earlier; a date covers its whole day.")
@format_option
@click.pass_obj
def list_experiments(
    invocation: Invocation,
    status: str | None,
    limit: int,
    min_created_at: str | None,
    max_created_at: str | None,
    output_format: Format,
) -> None:
    """List experiments, newest first."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus

    lab = existing_lake(invocation)
    # All that run, before the filter and the limit apply: an interrupted one belongs among the failed.
    _heal(lab, lab.experiments.list(ExperimentFilter(status=ExperimentStatus.RUNNING, limit=None)))
    wanted = None if status is None else ExperimentStatus(status)
    found = lab.experiments.list(
        ExperimentFilter(status=wanted, min_created_at=min_created_at, max_created_at=max_created_at, limit=limit + 1)
    )
    _show_many(found[:limit], output_format, nothing="no experiment matches")
    if len(found) > limit:
        click.echo(f"the list is cut at {limit}; --limit shows more", err=True)


@experiments.command("find-by-inputs")
@click.option(
    "--artifacts",
    required=True,
    multiple=True,
    callback=parse_ids,
    metavar="IDS",
    help="Artifact ids, comma-separated.",
)
@click.option(
    "--match", type=click.Choice(["any", "all"]), default="any", show_default=True, help="Used any or all of them."
)
@format_option
@click.pass_obj
def find_by_inputs(invocation: Invocation, artifacts: tuple[str, ...], match: Any, output_format: Format) -> None:
    """List experiments that used these artifacts, directly or through a frozen set."""
    from quantlab_cli.open_lake import existing_lake

    found = existing_lake(invocation).experiments.find_by_input_artifacts(artifacts, match)
    _show_many(found, output_format, nothing="no experiment used them")


def _heal(lab: Lab, found: Iterable[Experiment]) -> bool:
    """Journal as failed those of ``found`` whose process died; False when that changed none.

    Where the lake cannot be written its record stays as it is, and is shown so.
    """
    from quantlab_core.errors import StorageError
    from quantlab_resources.experiments.experiment_lock import heal_interrupted

    has_changed = False
    with suppress(StorageError):
        for experiment in found:
            if experiment.status == "running":
                has_changed |= heal_interrupted(
                    lab.experiments, experiment.definition.experiment_id, home=lab.paths.home
                )
    return has_changed


def _show_many(found: Iterable[Experiment], output_format: Format, *, nothing: str) -> None:
    from quantlab_cli.json_shapes import experiment_json

    if output_format == "json":
        show_json([experiment_json(experiment) for experiment in found])
    else:
        show_rows([_list_row(experiment) for experiment in found], LIST_COLUMNS, output_format, nothing=nothing)


def show_experiment(lab: Lab, experiment: Experiment, output_format: Format) -> None:
    """Print one experiment: what it is, where it stands, and its headlines where it has results."""
    from quantlab_cli.headlines import HEADLINE_COLUMNS, headline_row
    from quantlab_cli.json_shapes import experiment_json

    document = experiment_json(experiment)
    if output_format == "json":
        show_json(document)
        return
    if output_format == "csv":
        show_csv([_list_row(experiment)], [])
        return
    definition = experiment.definition
    report = lab.paths.report(definition.experiment_id)
    show_facts(
        {
            "experiment": definition.experiment_id,
            "name": definition.name,
            "description": definition.description,
            "status": experiment.status.value,
            "strategy": definition.config.strategy.get("name"),
            "alerts from": definition.config.date_range.from_,
            "alerts to": definition.config.date_range.to,
            "alert set": definition.alert_set_id,
            "candle set": definition.candle_set_id,
            "caller aliases": definition.caller_aliases_id,
            "strategy id": definition.strategy_id,
            "definition": experiment.definition_artifact_id,
            "created": definition.provenance.created_at,
            "engine": definition.provenance.engine_version,
            **_provenance_facts(definition.provenance),
            "attempt": None if experiment.execution is None else experiment.execution.attempt,
            "completed": None if experiment.execution is None else experiment.execution.completed_at,
            "error": None if experiment.execution is None else experiment.execution.error,
            **document.get("outputs", {}),
            "report": report if report.exists() else None,
        }
    )
    if document.get("outputs", {}).get("metrics"):
        click.echo()
        show_table([headline_row(lab, experiment)], HEADLINE_COLUMNS)


def _provenance_facts(provenance: ExperimentProvenance) -> dict[str, str | None]:
    environment, determinism = provenance.environment, provenance.determinism
    changed = {True: " with changes", False: ""}[provenance.git_dirty]
    facts = {"code": provenance.git_commit + changed, "patch": provenance.patch_hash}
    facts["kept patch"] = provenance.patch_artifact_id
    if environment is not None:
        facts["python"] = f"{environment.python_version} on {environment.platform}"
        facts["lock file"] = environment.lock_hash
        facts["installed"] = environment.distributions_hash
    if determinism is not None:
        limits = "".join(f", {name}={value}" for name, value in determinism.threads.items())
        facts["floats"] = f"{determinism.float_mode}, {determinism.byte_order} endian"
        facts["threads"] = f"{determinism.cpu_count} processors{limits}"
    return facts


def _list_row(experiment: Experiment) -> dict[str, Any]:
    definition, execution = experiment.definition, experiment.execution
    return {
        "experimentId": definition.experiment_id,
        "name": definition.name,
        "status": experiment.status.value,
        "strategy": definition.config.strategy.get("name"),
        "createdAt": definition.provenance.created_at,
        "attempt": None if execution is None else execution.attempt,
        "startedAt": None if execution is None else execution.started_at,
        "completedAt": None if execution is None else execution.completed_at,
        "durationSeconds": None if execution is None else execution.duration_s,
        "error": None if execution is None else execution.error,
        "alertSetId": definition.alert_set_id,
        "candleSetId": definition.candle_set_id,
        "callerAliasesId": definition.caller_aliases_id,
        "definitionArtifactId": experiment.definition_artifact_id,
    }
