"""Attributes of a table: text values that belong to its content although no row holds them; kept as schema metadata."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa


def with_attributes(table: pa.Table, attributes: Mapping[str, str]) -> pa.Table:
    """``table`` with these attributes, in place of all that it had."""
    return table.replace_schema_metadata(dict(sorted(attributes.items())))


def attributes_of(table: pa.Table) -> dict[str, str]:
    """The attributes that `with_attributes` attached; empty when there are none."""
    metadata: Mapping[bytes, bytes] = table.schema.metadata or {}
    return {name.decode(): value.decode() for name, value in metadata.items()}
