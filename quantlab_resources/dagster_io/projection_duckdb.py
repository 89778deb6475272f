"""dagster-duckdb's resource over a projection: read-only, and always the file that was built last.

Loads DuckDB, which takes 0.25 s: only `ProjectionResource` imports this, when a step that wants it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from quantlab_resources.lab import lab_at


class ProjectionDuckDB(DuckDBResource):
    """A `DuckDBResource` whose connections see one projection and refuse writes.

    The resource as it comes opens for writing, which would lock the file against every other process, and would hand
    out the file of before the last swap while this process still has it open.
    """

    projection: str = Field(description="Id of the projection")
    home: str | None = Field(default=None, description="Folder of the lake; empty: QUANTLAB_HOME, else ./lake")

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection within the block. Raises ProjectionNotFoundError, StorageError."""
        with lab_at(self.home).projections.open(self.projection) as connection:
            yield connection
