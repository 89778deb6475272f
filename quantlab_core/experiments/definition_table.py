"""An experiment's definition as the one-row table of its artifact type, and back."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.experiment import ExperimentDefinition
from quantlab_core.experiments.experiment_identity import decode_definition, encode_definition


def definition_table(definition: ExperimentDefinition, definition_hash: str) -> pa.Table:
    """The table of ``experiment_definition_v1``.

    ``definition_hash`` comes from `experiment_identity.definition_hash`; it depends on the contents of the frozen sets,
    which the definition names by id only. Raises InvalidInputError when the definition is not expressible as JSON.
    """
    row = {
        "experiment_id": definition.experiment_id,
        "name": definition.name,
        "description": definition.description,
        "definition_hash": definition_hash,
        "alert_set_id": definition.alert_set_id,
        "candle_set_id": definition.candle_set_id,
        "definition_json": encode_definition(definition),
    }
    return pa.Table.from_pylist([row], schema=EXPERIMENT_DEFINITION.schema)


def definition_of(table: pa.Table) -> ExperimentDefinition:
    """The definition in ``table``. Raises InvalidInputError when it does not hold exactly one."""
    return decode_definition(_only_value(table, "definition_json"))


def definition_hash_of(table: pa.Table) -> str:
    """The recorded hash of the definition in ``table``. Raises InvalidInputError as `definition_of`."""
    return _only_value(table, "definition_hash")


def _only_value(table: pa.Table, column: str) -> str:
    if table.num_rows != 1 or column not in table.column_names:
        raise InvalidInputError(f"a definition is one row with {column}; this table has {table.num_rows} rows")
    return str(table.column(column)[0].as_py())
