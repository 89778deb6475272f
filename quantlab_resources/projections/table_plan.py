"""What one table of a projection will hold, decided and checked before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from quantlab_core.artifacts.any_version import newest_type_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.errors import ArtifactNotFoundError, SchemaError
from quantlab_resources.projections.projection_names import check_column_names
from quantlab_resources.projections.stored_inputs import StoredInput, schema_difference, token_column_of

TIME = "ts"
TOKEN_ID = "_token_id"  # noqa: S105 - a column
SOURCE_ID = "_source_id"


@dataclass(frozen=True, slots=True)
class TableShape:
    """The columns of a table: those that its artifacts share, and which of them are the token and the time.

    ``time_column`` is the column that is shown as ``ts``; it is ``ts`` itself where the artifacts have it.
    """

    name: str
    schema: pa.Schema
    time_column: str | None

    @property
    def adds_time(self) -> bool:
        """Whether ``ts`` is a further column beside the artifacts' own."""
        return self.time_column is not None and TIME not in self.schema.names

    @property
    def token_column(self) -> str | None:
        """The column that holds the token."""
        return token_column_of(self.schema)

    @property
    def content_columns(self) -> tuple[str, ...]:
        """The columns that the fingerprint covers: the artifacts' own, and ``ts``."""
        return (*self.schema.names, TIME) if self.adds_time else tuple(self.schema.names)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the table in order; the last ones are where a row stands and where it comes from."""
        return (*self.content_columns, *([TOKEN_ID] if self.token_column else []), SOURCE_ID)

    @property
    def leading_order(self) -> tuple[str, ...]:
        """The columns whose ranges are found quickly: the token, then the time."""
        return tuple(name for name in (self.token_column, TIME if self.time_column else None) if name is not None)

    @property
    def has_time(self) -> bool:
        """Whether the table has a column ``ts``."""
        return self.time_column is not None


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table and the artifacts that go into it, in order."""

    shape: TableShape
    inputs: tuple[StoredInput, ...]


def plan_table(name: str, inputs: Sequence[StoredInput]) -> TablePlan:
    """The plan of table ``name`` over ``inputs`` (at least one).

    Raises SchemaError, naming both artifacts, when two of them do not have the same columns and types.
    """
    first = inputs[0]
    for other in inputs[1:]:
        if other.schema is not first.schema and (difference := schema_difference(first.schema, other.schema)):
            raise SchemaError(
                f"table {name!r} cannot hold both {_label(first.artifact)} and {_label(other.artifact)}: {difference}; "
                "nothing was built, put them in two tables"
            )
    time_columns = {_time_column(entry.artifact, first.schema) for entry in inputs}
    if len(time_columns) > 1:
        raise SchemaError(
            f"table {name!r}: its artifact types do not agree on the time column; nothing was built, put them apart"
        )
    shape = TableShape(name, first.schema, time_columns.pop())
    check_column_names(name, first.schema.names, reserved=(TOKEN_ID, SOURCE_ID, *([TIME] if shape.adds_time else [])))
    return TablePlan(shape, tuple(inputs))


def expand_sets(store: ArtifactStore, artifact_ids: Sequence[str]) -> list[Artifact]:
    """The artifacts with these ids, each once, by type and key; a frozen set stands for its members, at any depth.

    Raises ArtifactNotFoundError for an unknown id.
    """
    found: dict[str, Artifact] = {}
    seen: set[str] = set()
    waiting = list(dict.fromkeys(artifact_ids))
    while waiting:
        batch, waiting = [artifact_id for artifact_id in waiting if artifact_id not in seen], []
        seen.update(batch)
        for artifact in existing(store, batch):
            if artifact.artifact_type == ARTIFACT_SET.name:
                waiting += [
                    str(member) for member in store.read(artifact.artifact_id).column("artifact_id").to_pylist()
                ]
            else:
                found[artifact.artifact_id] = artifact
    return sorted(found.values(), key=lambda a: (a.artifact_type, a.schema_version, a.logical_key, a.artifact_id))


def existing(store: ArtifactStore, artifact_ids: Sequence[str]) -> list[Artifact]:
    """The artifacts with these ids in order. Raises ArtifactNotFoundError for an unknown one."""
    artifacts = []
    for artifact_id, artifact in zip(artifact_ids, store.get_artifacts(artifact_ids), strict=True):
        if artifact is None:
            raise ArtifactNotFoundError(f"artifact not found: {artifact_id}; nothing was built")
        artifacts.append(artifact)
    return artifacts


def _time_column(artifact: Artifact, schema: pa.Schema) -> str | None:
    spec = newest_type_of(artifact)
    if TIME in schema.names:
        return TIME
    if spec is None or spec.time_column is None or spec.time_column not in schema.names:
        return None
    type_ = schema.field(spec.time_column).type
    if not (pa.types.is_timestamp(type_) or pa.types.is_string(type_)):
        raise SchemaError(
            f"{_label(artifact)}: its time column {spec.time_column!r} is {type_}, which cannot be shown as {TIME}"
        )
    return spec.time_column


def _label(artifact: Artifact) -> str:
    return f"{artifact.artifact_type}/v{artifact.schema_version} {artifact.logical_key} ({artifact.artifact_id})"
