"""Which specification a table has: its type's, or for what came from outside or from the earlier store, its own."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.logical_type import plain_type
from quantlab_core.artifacts.registry import find_artifact_type
from quantlab_core.artifacts.table_normal_form import inferred_type
from quantlab_core.errors import SchemaError


def type_of_table(name: str, version: int, table: pa.Table) -> ArtifactType:
    """The registered type of (name, version); read off ``table`` when there is none, or when it is a lenient one and
    ``table`` has other columns. Raises SchemaError when a column then has a type that cannot be stored.
    """
    spec = find_artifact_type(name, version)
    if spec is None or (spec.is_lenient and not has_columns_of(table, spec)):
        return inferred_type(name, version, table)
    return spec


def content_hash_of_table(name: str, version: int, table: pa.Table) -> str:
    """The qlh1 hash of a table that is stored as (name, version), however its rows are ordered in the file.

    Raises SchemaError for a table that cannot be brought into normal form.
    """
    return content_hash(table, type_of_table(name, version, table))


def has_columns_of(table: pa.Table, spec: ArtifactType) -> bool:
    """Whether ``table`` has exactly the columns of ``spec``, in any order, each with the same kind of values."""
    if sorted(table.column_names) != sorted(spec.schema.names):
        return False
    return all(_is_same_kind(table.schema.field(field.name).type, field.type) for field in spec.schema)


def _is_same_kind(given: pa.DataType, declared: pa.DataType) -> bool:
    """Encodings and time units may differ, and so may the widths of whole numbers; text is no time, nor a number."""
    try:
        plain = plain_type(given)
    except SchemaError:
        return False
    if pa.types.is_integer(plain):
        return bool(pa.types.is_integer(declared) or pa.types.is_floating(declared))
    if pa.types.is_floating(plain):
        return bool(pa.types.is_floating(declared))
    return pa.types.is_null(given) or plain == declared
