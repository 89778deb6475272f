"""Whether a stored table keeps what its type promises of every table: columns, order of rows, unique rows."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.content_hash import hash_of_normal_form
from quantlab_core.artifacts.equal_bits import has_bits_of
from quantlab_core.artifacts.table_normal_form import row_order, to_normal_form
from quantlab_core.errors import SchemaError


def contract_fault(table: pa.Table, spec: ArtifactType) -> str | None:
    """The first promise of ``spec`` that ``table`` breaks, in one line; None where it keeps all.

    Promised are exactly the columns with their types, no null where none may be, no repeated unique key, and rows in
    the order of the sort key. Publishing sees to that, so a fault means that the type was changed without a new
    version, or that the file was not written by a publish.
    """
    try:
        normal = to_normal_form(table, spec)
    except SchemaError as error:
        return str(error)
    if not has_bits_of(table, normal, spec.attributes) and hash_of_normal_form(table, spec) != hash_of_normal_form(
        normal, spec
    ):
        return f"{spec.label}: the rows are not in the order of {', '.join(row_order(spec))}"
    return None
