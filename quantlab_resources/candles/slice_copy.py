"""A copy of a slice as a file for other tools."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from quantlab_core.errors import InvalidInputError
from quantlab_resources.artifacts.files.durable_files import replace_durably
from quantlab_resources.artifacts.files.parquet_files import plain_parquet

SUFFIXES = (".parquet", ".csv")


def check_copy_path(path: Path) -> None:
    """Raise InvalidInputError unless the name says what to write."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(f"{path}: a copy is written as {' or '.join(SUFFIXES)}; name it so")


def write_copy(table: pa.Table, path: Path) -> None:
    """Write ``table`` to ``path``, in place of what is there: Parquet with its attributes as metadata, or CSV.

    The file is whole or not there. Raises InvalidInputError for another suffix, and StorageError.
    """
    check_copy_path(path)
    replace_durably(path, plain_parquet(table) if path.suffix.lower() == ".parquet" else _csv(table))


def _csv(table: pa.Table) -> bytes:
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()
