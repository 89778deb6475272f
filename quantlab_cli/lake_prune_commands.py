"""``quantlab lake prune-dagster``: old runs go from Dagster's storage, and what its UI says of assets stays."""

from __future__ import annotations

from datetime import timedelta

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.run_settings import check_run_settings
from quantlab_cli.tables import Format, format_option, number_of, show_csv, show_json

CSV_FIELDS = ("applied", "runs", "keptForTheUi")


@lake.command("prune-dagster")
@click.option(
    "--older-than",
    type=click.IntRange(min=1, max=36_500),
    required=True,
    metavar="DAYS",
    help="Only runs that were created more than so many days ago.",
)
@click.option("--apply", "applies", is_flag=True, help="Delete them; without it, only count them.")
@format_option
@click.pass_obj
def prune_dagster(invocation: Invocation, older_than: int, applies: bool, output_format: Format) -> None:
    """Delete old finished runs of Dagster with their events and logs.

    A run stays while it holds the newest event of a partition or check, so the UI shows every asset as before. Nothing
    in the lake changes: what was made from what is in the manifest.
    """
    from quantlab_cli.open_lake import existing_lake

    lab = existing_lake(invocation)
    check_run_settings()

    from quantlab_assets.definitions import build_defs
    from quantlab_cli.dagster_instance import dagster_instance
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.dagster_io.old_runs import delete_runs, old_runs

    checks = build_defs(home=str(lab.paths.home)).resolve_asset_graph().asset_check_keys
    with dagster_instance(lab.paths.home) as instance:
        found = old_runs(instance, before=lab.clock.now() - timedelta(days=older_than), checks=checks)
        if applies:
            with counted("Deleting runs") as progress:
                delete_runs(instance, found.unneeded, progress=progress)
    facts = {"applied": applies, "runs": len(found.unneeded), "keptForTheUi": found.needed}
    if output_format == "json":
        show_json(facts)
    elif output_format == "csv":
        show_csv([facts], CSV_FIELDS)
    else:
        runs, kept = number_of(len(found.unneeded), "run"), f"{found.needed:,} older ones stay for what the UI shows"
        click.echo(f"deleted {runs}; {kept}" if applies else f"would delete {runs}; {kept}; --apply does it")
