"""What one table of a projection will hold, decided and checked before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from quantlab_core.artifacts.any_version import newest_type_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.logical_type import plain_type
from quantlab_core.errors import ArtifactNotFoundError, SchemaError
from quantlab_resources.projections.projection_names import check_column_names

TIME = "ts"
TOKEN_COLUMNS = ("token", "token_address", "mint")


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table: its artifacts in order, the columns that they share, and which of them are the token and the time.

    ``time_column`` is the column that is shown as ``ts``; it is ``ts`` itself where the artifacts have it.
    ``requested`` are the ids as they were asked for (sets unexpanded).
    """

    name: str
    requested: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    schema: pa.Schema
    time_column: str | None

    @property
    def adds_time(self) -> bool:
        """Whether ``ts`` is a further column beside the artifacts' own."""
        return self.time_column is not None and TIME not in self.schema.names

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table in order."""
        return (*self.schema.names, TIME) if self.adds_time else tuple(self.schema.names)

    @property
    def leading_order(self) -> tuple[str, ...]:
        """The columns whose ranges are found quickly: the token, then the time."""
        token = next((name for name in TOKEN_COLUMNS if name in self.schema.names), None)
        return tuple(name for name in (token, TIME if self.time_column else None) if name is not None)

    @property
    def row_order(self) -> tuple[str, ...]:
        """The whole order of the rows: token, time, then every other column, so that no tie is left to chance."""
        return (*self.leading_order, *(name for name in self.columns if name not in self.leading_order))


def plan_table(store: ArtifactStore, name: str, requested: Sequence[str], artifacts: Sequence[Artifact]) -> TablePlan:
    """The plan of table ``name`` over ``artifacts`` (at least one).

    Raises SchemaError, naming both artifacts, when two of them do not have the same columns and types.
    """
    schemas = [(artifact, schema) for artifact in artifacts for schema in [_schema_of(store, artifact)]]
    first, schema = schemas[0]
    for other, other_schema in schemas[1:]:
        difference = schema_difference(schema, other_schema)
        if difference:
            raise SchemaError(
                f"table {name!r} cannot hold both {_label(first)} and {_label(other)}: {difference}; "
                "nothing was built, put them in two tables"
            )
    check_column_names(name, schema.names)
    time_columns = {_time_column(artifact, schema) for artifact in artifacts}
    if len(time_columns) > 1:
        raise SchemaError(
            f"table {name!r}: its artifact types do not agree on the time column; nothing was built, put them apart"
        )
    return TablePlan(name, tuple(requested), tuple(artifacts), schema, time_columns.pop())


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


def current_heads(store: ArtifactStore, artifacts: Sequence[Artifact]) -> list[Artifact]:
    """The active head of each artifact's key, each once, in the order of ``artifacts``; withdrawn keys have none."""
    heads: dict[str, Artifact] = {}
    for artifact in artifacts:
        for head in store.heads(artifact.artifact_type, artifact.logical_key):
            if head.logical_key == artifact.logical_key:
                heads[head.artifact_id] = head
    return list(heads.values())


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` without metadata, nullability and encodings: what two artifacts of one table must share."""
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


def schema_difference(left: pa.Schema, right: pa.Schema) -> str:
    """The first difference in columns or types as a phrase; empty when there is none. Column order does not count."""
    for here, there in ((left, right), (right, left)):
        extra = [name for name in here.names if name not in there.names]
        if extra:
            return f"column {extra[0]!r} is in one only"
    for field in left:
        other = right.field(field.name)
        if field.type != other.type:
            return f"column {field.name!r} is {field.type} in the first and {other.type} in the second"
    return ""


def _schema_of(store: ArtifactStore, artifact: Artifact) -> pa.Schema:
    spec = newest_type_of(artifact)
    # Artifacts of unregistered and of lenient types have schemas of their own: only a verified read says which.
    is_own = spec is None or spec.is_lenient
    return plain_schema(store.read(artifact.artifact_id).schema if is_own or spec is None else spec.schema)


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
