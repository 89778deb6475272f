"""The normal form of a table: exactly the columns, types and row order of its artifact type.

Equal content has one normal form, wherever the table came from (Arrow, pandas, Polars, DuckDB, Parquet, CSV) and
however it is chunked or encoded. What is hashed and what is stored is always the normal form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_type import is_list_like, logical_type_name, plain_type, value_type
from quantlab_core.artifacts.row_order import rises
from quantlab_core.errors import SchemaError, first_line


def to_normal_form(table: pa.Table, spec: ArtifactType) -> pa.Table:
    """``table`` in the normal form of ``spec``: its schema, its attributes as schema metadata, rows in its order.

    Rows are sorted by the sort key, then by what the unique key adds to it; the sort is stable, nulls come last.
    Raises SchemaError for a missing or unknown column, a cast that would change a value, a null where none may be, a
    missing attribute, or a unique key that occurs twice.
    """
    _check_column_names(table.column_names, spec)
    columns = [_normal_column(table.column(field.name), field, spec) for field in spec.schema]
    schema = spec.schema.with_metadata(_attributes(table, spec))
    normal = pa.table(columns, schema=schema)
    if _rises_throughout(normal, spec):
        return normal
    return _checked_unique(_sorted(normal, spec), spec)


def inferred_type(name: str, version: int, table: pa.Table) -> ArtifactType:
    """A specification for an unregistered (name, version), read off ``table``: its plain types, its own row order.

    Raises SchemaError when a column has a type that cannot be stored.
    """
    if len(set(table.column_names)) != len(table.column_names):
        raise SchemaError(f"{name}/v{version}: a column name occurs twice in {', '.join(table.column_names)}")
    if table.num_rows and not table.num_columns:
        raise SchemaError(f"{name}/v{version}: {table.num_rows} rows without a column cannot be stored")
    fields = [pa.field(field.name, plain_type(field.type)) for field in table.schema]
    return ArtifactType(
        name=name,
        version=version,
        doc="Published from outside; its schema was inferred.",
        schema=pa.schema(fields),
        sort_key=(),
        unique_key=(),
        key_parts=(),
        asset="",
    )


def _check_column_names(names: Sequence[str], spec: ArtifactType) -> None:
    wanted = spec.schema.names
    missing = [name for name in wanted if name not in names]
    unknown = [name for name in names if name not in wanted]
    if missing or unknown or len(names) != len(wanted):
        raise SchemaError(
            f"{spec.label}: the table does not have the type's columns"
            f" (missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}; given: {len(names)})"
        )


def _attributes(table: pa.Table, spec: ArtifactType) -> dict[str, str]:
    metadata = table.schema.metadata or {}
    attributes = {}
    for name in spec.attributes:
        value = metadata.get(name.encode())
        if value is None:
            raise SchemaError(f"{spec.label}: the attribute {name!r} is missing from the table's schema metadata")
        try:
            attributes[name] = value.decode()
        except UnicodeDecodeError:
            raise SchemaError(f"{spec.label}: the attribute {name!r} is not UTF-8 text") from None
    return attributes


def _normal_column(values: pa.ChunkedArray[Any], field: pa.Field[Any], spec: ArtifactType) -> pa.ChunkedArray[Any]:
    if values.type != field.type:
        _check_same_kind(values.type, field, spec)
        try:
            values = values.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = first_line(error)
            raise SchemaError(f"{spec.label}: column {field.name!r} does not fit {field.type}: {reason}") from error
    _check_sound(values, field, spec)
    if pa.types.is_floating(field.type):
        values = _normal_floats(values, nan_is_null=field.name in spec.nan_is_null)
    if not field.nullable and values.null_count:
        raise SchemaError(f"{spec.label}: column {field.name!r} has {values.null_count} nulls and may have none")
    return values


def _check_sound(values: pa.ChunkedArray[Any], field: pa.Field[Any], spec: ArtifactType) -> None:
    """Refuse text that is no UTF-8 and lists that end beyond their values: other readers would stumble over them."""
    if pa.types.is_primitive(field.type):
        return
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        reason = first_line(error)
        raise SchemaError(f"{spec.label}: column {field.name!r} is no sound {field.type}: {reason}") from error


def _check_same_kind(given: pa.DataType, field: pa.Field[Any], spec: ArtifactType) -> None:
    """Encodings, widths and time units are cast; another kind of value (text for a number, a naive time) is not."""
    source, target = (value_type(given) if pa.types.is_dictionary(given) else given), field.type
    while is_list_like(source) and is_list_like(target):
        source, target = value_type(source), value_type(target)
    if pa.types.is_null(source) or _kind(source) == _kind(target):
        return
    if pa.types.is_timestamp(source) and pa.types.is_timestamp(target):
        raise SchemaError(
            f"{spec.label}: column {field.name!r} holds times without a zone; say which zone they are in first"
        )
    raise SchemaError(f"{spec.label}: column {field.name!r} is {given} and must be {logical_type_name(field.type)}")


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        return _kind(value_type(type_))
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_timestamp(type_):
        return "instant" if type_.tz else "time without zone"
    try:
        return logical_type_name(plain_type(type_))
    except SchemaError:
        return str(type_)


def _normal_floats(values: pa.ChunkedArray[Any], *, nan_is_null: bool) -> pa.ChunkedArray[Any]:
    """One bit pattern for NaN, or null in its place. Negative zero stays: it is another value in 1 / x."""
    if not any(_has_nan(chunk) for chunk in values.chunks):
        return values
    canonical = pa.scalar(None if nan_is_null else float("nan"), type=values.type)
    is_nan = pc.is_nan(values)
    normal: pa.ChunkedArray[Any] = pc.if_else(pc.fill_null(is_nan, False), canonical, values)  # type: ignore[type-var]
    return normal


def _has_nan(chunk: pa.Array[Any]) -> bool:
    if chunk.null_count:
        return bool(pc.any(pc.is_nan(chunk)).as_py())
    return len(chunk) > 0 and bool(np.isnan(chunk.to_numpy().min()))  # a NaN anywhere is the minimum of all


def _rises_throughout(table: pa.Table, spec: ArtifactType) -> bool:
    """Whether a single time or integer orders the rows, is unique, and is in order already: one comparison shows all.

    False does not say the contrary: other keys are sorted and checked.
    """
    order = row_order(spec)
    if len(order) != 1 or spec.unique_key != order:
        return False
    key = table.column(order[0])
    if key.num_chunks != 1 or key.null_count or not (pa.types.is_timestamp(key.type) or pa.types.is_integer(key.type)):
        return False
    values = key.chunk(0).to_numpy()
    return bool((values[1:] > values[:-1]).all())


def _sorted(table: pa.Table, spec: ArtifactType) -> pa.Table:
    order = row_order(spec)
    if not order or table.num_rows < 2:
        return table
    if rises(table.column(name) for name in order):
        return table
    indices = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in order])
    return table.take(indices)


def row_order(spec: ArtifactType) -> tuple[str, ...]:
    """The columns that order the rows: the sort key, then what the unique key adds, so that ties cannot matter."""
    return spec.sort_key + tuple(name for name in spec.unique_key if name not in spec.sort_key) if spec.sort_key else ()


def _checked_unique(table: pa.Table, spec: ArtifactType) -> pa.Table:
    if not spec.unique_key or table.num_rows < 2:
        return table
    keys = _possibly_repeated(table.select(list(spec.unique_key)))
    if len(spec.unique_key) == 1:
        distinct = pc.count_distinct(keys.column(0), mode="all").as_py()
    else:
        distinct = keys.group_by(list(spec.unique_key)).aggregate([]).num_rows
    if distinct != keys.num_rows:
        extra = keys.num_rows - distinct
        raise SchemaError(
            f"{spec.label}: {extra} of {table.num_rows} rows repeat the unique key ({', '.join(spec.unique_key)})"
        )
    return table


def _possibly_repeated(keys: pa.Table) -> pa.Table:
    """The rows that another row equals in all times and integers: a hash table of all keys would take as much memory as
    the widest columns."""
    columns = [
        column
        for column in keys.columns
        if not column.null_count and (pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type))
    ]
    if not columns:
        return keys
    numbers = [column.to_numpy() for column in columns]
    order = None if rises(columns) else np.lexsort(numbers)
    if order is not None:
        numbers = [number[order] for number in numbers]
    equals_next = np.logical_and.reduce([number[1:] == number[:-1] for number in numbers])
    is_suspect = np.zeros(keys.num_rows, dtype=np.bool_)
    is_suspect[1:] |= equals_next
    is_suspect[:-1] |= equals_next
    return keys.take(np.flatnonzero(is_suspect) if order is None else order[is_suspect])
