"""A Dagster project with one asset by day that does nothing: what Dagster costs by itself."""

import dagster as dg


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2018-01-01", timezone="UTC"))
def nothing() -> None:
    """Does nothing."""


defs = dg.Definitions(assets=[nothing])
