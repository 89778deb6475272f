"""The job `refetch_candles`: the candle source is asked again for some tokens."""

import dagster as dg
from pydantic import Field

from quantlab_assets.launchpad.launched_runs import (
    artifact_counts,
    check_refresh_settings,
    given_day,
    launched_runs,
)
from quantlab_assets.metadata_table import table_of


class TokensToRefetch(dg.Config):
    """Which tokens, and on which days."""

    tokens: list[str] = Field(
        default=[],
        description="Addresses of called tokens, or <chain>:<address>. All days on which one of them was called are "
        "asked for again; a day is one question, so the other tokens of these days come along.",
    )
    first_day: str | None = Field(default=None, description="Only calls from this UTC day on (2025-05-01).")
    last_day: str | None = Field(default=None, description="Only calls up to this UTC day, which is included.")


@dg.op(
    name="tokens",
    required_resource_keys={"lab"},
    description="Asks the candle source again for the days on which these tokens were called.",
)
def refetch_days_of_tokens(context: dg.OpExecutionContext, config: TokensToRefetch) -> None:
    """The runs that cut the slices and merge the series are runs of their own, with their revisions."""
    with launched_runs(context) as runs:
        from quantlab_assets.workflows.refetch_candles import refetch_candles

        first, last = given_day("first_day", config.first_day), given_day("last_day", config.last_day)
        check_refresh_settings(runs.lab)
        refetched = refetch_candles(runs, config.tokens, first=first, last=last)
    counts = refetched.refresh.candles
    context.add_output_metadata(
        {
            "tokens": len(config.tokens),
            "days": len(refetched.days),
            **table_of("days_asked_for", [{"day": day.isoformat()} for day in refetched.days]),
            "revised_slices": refetched.refresh.revised_slices,
            "candles_added": counts.added,
            "candles_removed": counts.removed,
            "candles_changed": counts.changed,
            **artifact_counts(runs),
        }
    )


@dg.job(
    name="refetch_candles",
    config={"ops": {"tokens": {"config": {"tokens": []}}}},
    executor_def=dg.in_process_executor,
    description="Asks the candle source again for tokens whose candles were late or wrong. List their addresses in "
    "`tokens`. `fetch_coverage_gaps` does it for everything that coverage found missing.",
)
def refetch_candles() -> None:
    """Started from the launchpad."""
    refetch_days_of_tokens()
