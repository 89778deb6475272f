"""``quantlab experiments cancel``, ``reindex`` and ``report``: states, the index and the pages of experiments."""

from __future__ import annotations

import click

from quantlab_cli.experiment_commands import experiments
from quantlab_cli.lake_command import Invocation
from quantlab_cli.tables import number_of, shown


@experiments.command("cancel")
@click.argument("experiment_id", metavar="ID")
@click.pass_obj
def cancel(invocation: Invocation, experiment_id: str) -> None:
    """Cancel an experiment that is pending or running.

    A process that runs it is not stopped: it goes on to its end, and then finds that it must not publish. The
    experiment can be executed again.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.experiments.experiment import ExperimentStatus
    from quantlab_resources.experiments.experiment_lock import heal_interrupted

    lab = existing_lake(invocation)
    heal_interrupted(lab.experiments, experiment_id, home=lab.paths.home)
    was_running = lab.experiments.get(experiment_id).status is ExperimentStatus.RUNNING
    lab.experiments.update_status(experiment_id, ExperimentStatus.CANCELLED)
    lab.experiment_index.sync()
    click.echo(f"experiment {experiment_id} is cancelled")
    if was_running:
        click.echo("the process that runs it goes on to its end, but its results will not be published")


@experiments.command("reindex")
@click.pass_obj
def reindex(invocation: Invocation) -> None:
    """Build the DuckDB index of experiments anew, from the manifest and the artifacts alone."""
    from quantlab_cli.open_lake import existing_lake

    lab = existing_lake(invocation)
    lab.experiment_index.reindex()
    count = len(lab.artifacts.journal.list_latest())
    click.echo(f"{number_of(count, 'experiment')} in {shown(lab.paths.experiment_db)}")


@experiments.command("report")
@click.argument("experiment_id", metavar="ID")
@click.pass_obj
def report(invocation: Invocation, experiment_id: str) -> None:
    """Write the page of a completed experiment again, and say where it is."""
    from quantlab_assets.workflows.report_experiment import report_experiment
    from quantlab_cli.open_lake import existing_lake

    lab = existing_lake(invocation)
    page = report_experiment(lab, lab.experiments.get(experiment_id))
    click.echo(f"report: {shown(page)}")
