"""Rows as a table in the metadata that Dagster's UI shows."""

from collections.abc import Mapping, Sequence

import dagster as dg

from quantlab_resources.dagster_io.materialization_metadata import MAX_TABLE_ROWS


def table_of(name: str, rows: Sequence[Mapping[str, str | int | float]]) -> dict[str, dg.MetadataValue]:
    """``rows`` as a table under ``name``, for the UI, which is slow with more than `MAX_TABLE_ROWS`; none: nothing."""
    if not rows:
        return {}
    return {name: dg.MetadataValue.table([dg.TableRecord(row) for row in rows[:MAX_TABLE_ROWS]])}
