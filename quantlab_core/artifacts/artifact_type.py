"""What one (artifact type, schema version) is: schema, sort key, unique key, logical key grammar, meaning.

A capability declares its types in its own ``artifact_types.py``; ``registry.py`` collects them. The specifications are
rendered into ``docs/data-contracts.md`` and into Dagster's column metadata, so a field's description is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

UTC_TIMESTAMP = pa.timestamp("us", tz="UTC")


Partitioning = Literal["day", "cohort_day", "token", "export", "file", "raw_file", "experiment"]
"""By the key part of that name; ``cohort_day`` by the day of a slice's window, ``raw_file`` by the file's hash."""


def column(name: str, type_: pa.DataType, description: str, *, nullable: bool = False) -> pa.Field[Any]:
    """A schema field with the sentence that explains it to a researcher."""
    return pa.field(name, type_, nullable=nullable, metadata={"description": description})


def description_of(schema_field: pa.Field[Any]) -> str:
    """The sentence that `column` attached, or an empty string."""
    metadata: Mapping[bytes, bytes] = schema_field.metadata or {}
    return metadata.get(b"description", b"").decode()


@dataclass(frozen=True, slots=True)
class ArtifactType:
    """The contract of one (name, version).

    ``sort_key`` fixes the row order that is hashed and stored; ``unique_key`` must identify a row (empty: no claim).
    ``key_parts`` name the logical key's ``name=value`` parts in order, of which the first is never optional;
    ``key_suffix`` is a bare last part (``experiment=…/trades``). ``attributes`` names, with their meaning, text values
    that belong to the content although no row holds them (a slice's source span exists even when it has no candle);
    they travel in the schema metadata and are hashed. ``asset`` is the Dagster asset that owns artifacts of this type:
    one name, or, where the first key part selects among several, a mapping from that part's value to the asset.
    ``partition`` says how that asset is partitioned (None: it is not). ``upcast`` makes, of a stored table and its
    logical key, the table of the next schema version (None: this is the newest, or has no successor). A table of an
    ``is_lenient`` type (the earlier store's) may have other columns: it is then stored and read as it is. A key of an
    ``append_only`` type takes one content: other content under it is refused instead of superseding the first.
    """

    name: str
    version: int
    doc: str
    schema: pa.Schema
    sort_key: tuple[str, ...]
    unique_key: tuple[str, ...]
    key_parts: tuple[str, ...]
    asset: str | Mapping[str, str]
    partition: Partitioning | None = None
    key_suffix: str | None = None
    optional_key_parts: frozenset[str] = frozenset()
    time_column: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    nan_is_null: frozenset[str] = field(default=frozenset())
    upcast: Callable[[pa.Table, str], pa.Table] | None = None
    is_lenient: bool = False
    append_only: bool = False

    @property
    def label(self) -> str:
        """``name/vN``, the form used in messages and folders."""
        return f"{self.name}/v{self.version}"

    @property
    def assets(self) -> tuple[str, ...]:
        """Every asset that can own artifacts of this type."""
        return (self.asset,) if isinstance(self.asset, str) else tuple(self.asset.values())
