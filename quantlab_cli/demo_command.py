"""``quantlab demo``: the whole main job on a small generated world."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from quantlab_cli.alert_commands import messages_line
from quantlab_cli.lake_command import Invocation, LakeCommand
from quantlab_cli.ohlcv_commands import show_imported
from quantlab_cli.run_settings import check_refresh_settings
from quantlab_cli.tables import show_table, shown

if TYPE_CHECKING:
    from quantlab_assets.workflows.demo import DemoReport
    from quantlab_resources.lab import Lab


@click.command("demo", cls=LakeCommand)
@click.pass_obj
def demo(invocation: Invocation) -> None:
    """Generate a small group of callers and do the whole main job with it.

    The messages and candles are invented and the same every time; a second run finds everything done.
    """
    check_refresh_settings(invocation)

    from quantlab_assets.workflows.demo import run_demo
    from quantlab_cli.open_lake import running_on_new_or_existing

    with running_on_new_or_existing(invocation) as runs:
        report = run_demo(runs)
    _show(runs.lab, report)


def _show(lab: Lab, report: DemoReport) -> None:
    from quantlab_cli.headlines import HEADLINE_COLUMNS, coverage_line, headline_row

    click.echo(f"\nread      {messages_line(report.ingest)}")
    click.echo(f"found     {report.ingest.alerts_on_days:,} alerts on {len(report.ingest.days):,} days")
    click.echo(f"covered   {coverage_line(lab)}\n")
    show_imported(lab, report.imported)
    click.echo()
    experiments = [execution.experiment for execution in report.executions]
    show_table([headline_row(lab, experiment) for experiment in experiments], HEADLINE_COLUMNS)
    click.echo()
    for execution in report.executions:
        click.echo(f"report    {shown(execution.report)}")
    if report.new_artifacts:
        click.echo(f"stored    {report.new_artifacts:,} new artifacts in {shown(lab.paths.home)}")
    else:
        click.echo(f"nothing new: all {report.published:,} artifacts were already in the lake{_completed(report)}")
    is_elsewhere = _is_elsewhere(lab)
    folder = shlex.quote(str(lab.paths.home))
    click.echo(f"\nthe graph in a browser:  make ui{f' QUANTLAB_HOME={folder}' if is_elsewhere else ''}\nmore to try:")
    home = f" --home {folder}" if is_elsewhere else ""
    first = experiments[0]
    click.echo(f"  quantlab experiments get {first.definition.experiment_id}{home}")
    if first.outputs is not None and first.outputs.metrics_artifact_id is not None:
        click.echo(f"  quantlab artifacts lineage {first.outputs.metrics_artifact_id} --depth all{home}")
    click.echo(f"  quantlab artifacts list --type alerts_v1{home}")
    click.echo(f"  quantlab experiments create --name dips --strategy dip_buyer{home}")
    click.echo(f"  quantlab lake verify{home}")


def _completed(report: DemoReport) -> str:
    before = sum(execution.was_completed_before for execution in report.executions)
    return f", and {before} experiments were completed before" if before else ""


def _is_elsewhere(lab: Lab) -> bool:
    """Whether the same command without --home would look at another lake."""
    from quantlab_resources.lake_paths import LakePaths

    return LakePaths.from_environment() != lab.paths
