"""Upstream artifacts as the frame type that a consumer annotates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from quantlab_core.errors import SchemaError
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts


def frame_of(upstream: UpstreamArtifacts, partitions: Sequence[str] | None, wanted: Any) -> Any:
    """All rows of ``partitions`` (None: of the whole asset) as ``wanted``.

    Raises SchemaError for a frame type that is not supported.
    """
    artifacts = upstream.all()
    if partitions is not None:
        wanted_keys = set(partitions)
        artifacts = [a for a in artifacts if partition_of(upstream.spec, a.logical_key) in wanted_keys]
    table = upstream.read_all(artifacts)
    module, name = getattr(wanted, "__module__", ""), getattr(wanted, "__qualname__", str(wanted))
    if wanted in (pa.Table, Any, None):
        return table
    if module.startswith("polars") and name in {"DataFrame", "LazyFrame"}:
        import polars as pl

        frame = pl.DataFrame(pl.from_arrow(table))
        return frame.lazy() if name == "LazyFrame" else frame
    if module.startswith("pandas") and name == "DataFrame":
        return table.to_pandas()
    raise SchemaError(
        f"cannot hand {upstream.spec.label} over as {module}.{name}; annotate pyarrow.Table, polars.DataFrame, "
        "polars.LazyFrame, pandas.DataFrame or UpstreamArtifacts"
    )
