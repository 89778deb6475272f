"""Which Arrow types an artifact's column may have, and their names in the qlh1 specification.

The names are quantlab's own and frozen (docs/content-identity.md): a library may rename its types, a hash may not
change.
"""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.errors import SchemaError

_PLAIN_NAMES = {
    pa.bool_(): "bool",
    pa.int8(): "int8",
    pa.int16(): "int16",
    pa.int32(): "int32",
    pa.int64(): "int64",
    pa.uint8(): "uint8",
    pa.uint16(): "uint16",
    pa.uint32(): "uint32",
    pa.uint64(): "uint64",
    pa.float32(): "float32",
    pa.float64(): "float64",
    pa.string(): "string",
    pa.binary(): "binary",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp[us]",
    pa.timestamp("us", tz="UTC"): "timestamp[us, UTC]",
}


def logical_type_name(type_: pa.DataType) -> str:
    """The frozen name of ``type_``; lists nest: ``list<string>``. Raises SchemaError for an unsupported type."""
    if pa.types.is_list(type_):
        return f"list<{logical_type_name(type_.value_type)}>"
    name = _PLAIN_NAMES.get(type_)
    if name is None:
        known = ", ".join(_PLAIN_NAMES.values())
        raise SchemaError(f"a column of type {type_} cannot be stored; supported: {known} and lists of them")
    return name


def plain_type(type_: pa.DataType) -> pa.DataType:
    """The supported type for the values of ``type_``: dictionary, view and large encodings and time units undone.

    Times keep their instant: any zone becomes UTC, whole dates stay dates. Raises SchemaError where there is none.
    """
    if pa.types.is_dictionary(type_):
        return plain_type(value_type(type_))
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_) or pa.types.is_null(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_) or pa.types.is_fixed_size_binary(type_):
        return pa.binary()
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", tz="UTC" if type_.tz else None)
    if pa.types.is_date64(type_):
        return pa.date32()
    if is_list_like(type_):
        return pa.list_(plain_type(value_type(type_)))
    logical_type_name(type_)
    return type_


def value_type(type_: pa.DataType) -> pa.DataType:
    """The type of the values in a dictionary or list type, whatever its encoding."""
    inner: pa.DataType = getattr(type_, "value_type")  # noqa: B009 - the base class of the stubs has no such attribute
    return inner


def is_list_like(type_: pa.DataType) -> bool:
    """Whether ``type_`` is a list in any of Arrow's encodings."""
    return bool(
        pa.types.is_list(type_)
        or pa.types.is_large_list(type_)
        or pa.types.is_fixed_size_list(type_)
        or pa.types.is_list_view(type_)
        or pa.types.is_large_list_view(type_)
    )
