"""Rows as a table in the metadata that Dagster's UI shows."""

import dagster as dg

MOST_TABLE_ROWS = 50


def table_of(name: str, rows: list[dict[str, str | int]]) -> dict[str, dg.MetadataValue]:
    """``rows`` as a table under ``name``, for the UI, which is slow with more than `MOST_TABLE_ROWS`; none: nothing."""
    if not rows:
        return {}
    return {name: dg.MetadataValue.table([dg.TableRecord(row) for row in rows[:MOST_TABLE_ROWS]])}
