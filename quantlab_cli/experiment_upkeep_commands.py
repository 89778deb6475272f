"""``quantlab experiments cancel``, ``reindex``, ``report`` and ``pages``: states, the index and the pages."""

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


@experiments.command("pages")
@click.option("--port", type=click.IntRange(0, 65_535), default=3001, show_default=True, help="0: any that is free.")
@click.pass_obj
def pages(invocation: Invocation, port: int) -> None:
    """Serve the pages of experiments to this machine's browser until it is interrupted: Dagster's UI links to them.

    `make ui` does it beside Dagster. Under another port or behind a proxy, set QUANTLAB_REPORTS_URL for the runs.
    """
    from quantlab_core.errors import InvalidInputError
    from quantlab_resources.lake_paths import LakePaths
    from quantlab_resources.reports.page_server import PageServer

    try:
        server = PageServer(LakePaths.from_environment(invocation.home).reports, port)
    except OSError as error:
        raise InvalidInputError(
            f"port {port} cannot be used ({error.strerror}); name another with --port, and in QUANTLAB_REPORTS_URL"
        ) from error
    with server:
        click.echo(f"pages of experiments: {server.address}")
        server.serve_forever()
