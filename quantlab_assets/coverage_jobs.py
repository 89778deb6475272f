"""Jobs of coverage: measure it anew, and ask again for what it found missing."""

import dagster as dg

from quantlab_assets.coverage import COVERAGE_NAMES
from quantlab_core.coverage.worklist import MOST_ATTEMPTS

refresh_coverage = dg.define_asset_job(
    "refresh_coverage",
    selection=dg.AssetSelection.assets("alert_set", "candle_set", *COVERAGE_NAMES),
    description="Freezes the current alerts and series, and measures how well the one is covered by the other.",
)


@dg.op(
    required_resource_keys={"lab"},
    config_schema={
        "limit": dg.Field(int, is_required=False, description="only so many slices, those that most alerts need first"),
        "attempts": dg.Field(
            int, default_value=MOST_ATTEMPTS, is_required=False, description="a slice is given up after so many"
        ),
    },
)
def ask_again(context: dg.OpExecutionContext) -> None:
    """Runs of their own cut the slices; this run only starts them, one after the other, and says what came of it."""
    # The graph is made of this module too.
    from quantlab_assets.workflows.fetch_gaps import fetch_gaps
    from quantlab_assets.workflows.lake_runs import LakeRuns

    config = context.op_config
    runs = LakeRuns(context.resources.lab.get(), context.instance)
    fetched = fetch_gaps(runs, limit=config.get("limit"), most_attempts=config["attempts"])
    context.log.info(
        f"asked again for {fetched.slices:,} slices of {len(fetched.days):,} days: {fetched.complete:,} are complete, "
        f"missing minutes went from {fetched.minutes_before:,} to {fetched.minutes_now:,}"
    )
    for refusal in runs.refusals:
        context.log.warning(f"{refusal.asset} {refusal.partition}: {refusal.subject} left as it was: {refusal.reason}")


@dg.job(description="Asks the candle source again for the worklist of `quantlab ohlcv gaps`.")
def fetch_coverage_gaps() -> None:
    """The worklist, run from Dagster."""
    ask_again()


COVERAGE_JOBS = (refresh_coverage, fetch_coverage_gaps)
