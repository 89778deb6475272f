"""The root of the ``quantlab`` command: its groups, in the order in which one meets them."""

from __future__ import annotations

import click

import quantlab_cli.alert_quarantine_commands
import quantlab_cli.artifact_writing_commands
import quantlab_cli.caller_leaderboard_commands
import quantlab_cli.experiment_leaderboard_commands
import quantlab_cli.experiment_sweep_commands
import quantlab_cli.experiment_upkeep_commands
import quantlab_cli.experiment_verification_commands
import quantlab_cli.lake_adopt_commands
import quantlab_cli.lake_backup_commands
import quantlab_cli.lake_dagster_commands
import quantlab_cli.lake_gc_commands
import quantlab_cli.lake_lineage_commands
import quantlab_cli.lake_prune_commands
import quantlab_cli.lake_recovery_commands
import quantlab_cli.lake_staleness_commands
import quantlab_cli.lake_status_commands
import quantlab_cli.lake_verify_commands
import quantlab_cli.ohlcv_export_commands
import quantlab_cli.ohlcv_gaps_commands  # noqa: F401 - these add commands to their group
from quantlab_cli.alert_commands import alerts
from quantlab_cli.artifact_commands import artifacts
from quantlab_cli.caller_commands import callers
from quantlab_cli.coverage_commands import coverage
from quantlab_cli.demo_command import demo
from quantlab_cli.experiment_commands import experiments
from quantlab_cli.lake_commands import lake
from quantlab_cli.ohlcv_commands import ohlcv
from quantlab_cli.projection_commands import projections
from quantlab_cli.strategy_commands import strategies

PROGRAM = "quantlab"


class InOrderOfUse(click.Group):
    """Lists its commands in the order in which they were added, which is the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, first things first."""
        return list(self.commands)


@click.group(cls=InOrderOfUse, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
def cli() -> None:
    """A reproducible research lab for tokens called in Telegram groups.

    Everything is kept in a lake: the folder named by --home, else by QUANTLAB_HOME, else ./lake.
    Exit status: 0 done, 1 it could not be done (one line says why), 2 wrong usage, 130 interrupted.
    """


for command in (demo, alerts, callers, ohlcv, coverage, strategies, experiments, artifacts, projections, lake):
    cli.add_command(command)


def main() -> None:
    """Entry point of the installed command."""
    cli(prog_name=PROGRAM)
