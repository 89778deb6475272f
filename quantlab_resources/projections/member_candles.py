"""The candles of a frozen set's members, token by token, verified: what a candle pack is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.registry import artifact_type, find_artifact_type
from quantlab_core.candles.epoch_time import epoch_microseconds
from quantlab_core.candles.token_series import merge_slices
from quantlab_core.errors import IntegrityError, InvalidInputError
from quantlab_core.simulation.candle_pack import series_and_spans
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.token import Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.parquet_files import read_verified_bytes
from quantlab_resources.artifacts.manifest import manifest_queries

RESOLUTION = "1m"
"""The candles that are simulated; members of other resolutions are left out."""

_NEEDED = {
    "ts": UTC_TIMESTAMP,
    "open": pa.float64(),
    "high": pa.float64(),
    "low": pa.float64(),
    "close": pa.float64(),
}


ByToken = Mapping[Token, Sequence[Artifact]]
"""The members of a set that are simulated, by token."""

_NOTED = 4
"""Numbers that are noted of a source: its `ArtifactFiles.change_marks`."""


@dataclass(frozen=True, slots=True)
class TokenCandles:
    """One token's series with its spans in epoch microseconds, or why none can be made of what is there."""

    token: Token
    series: CandleSeries | None = None
    spans_us: tuple[tuple[int, int], ...] = ()
    fault: str | None = None


def members_by_token(members: Sequence[Artifact]) -> dict[Token, list[Artifact]]:
    """The members of the resolution that is simulated, by token in ascending order."""
    found: dict[Token, list[Artifact]] = {}
    for member in members:
        parts = parse_key(artifact_type(member.artifact_type, member.schema_version), member.logical_key)
        if parts["res"] == RESOLUTION:
            found.setdefault(Token.from_key_parts(parts), []).append(member)
    return {token: found[token] for token in sorted(found)}


def sources_of(store: ParquetArtifactStore, by_token: ByToken) -> npt.NDArray[np.int64]:
    """A row for each member's file, by which a later change of it shows; all -1 where nothing is known of it.

    Taken before the files are read, so that a change meanwhile shows as well.
    """
    marks = [store.files.change_marks(stored.path_parquet) for stored in _stored(store, by_token).values()]
    return np.array([mark or (-1,) * _NOTED for mark in marks], dtype=np.int64).reshape(len(marks), _NOTED)


def check_sources(store: ParquetArtifactStore, by_token: ByToken, noted: npt.NDArray[np.int64]) -> None:
    """Make sure that every member's file still holds the recorded bytes; one that looks as it did is not read.

    ``noted`` is what `sources_of` gave when all of them were read, flat. Raises ArtifactDamagedError,
    ArtifactMissingError, StorageError.
    """
    now = sources_of(store, by_token)
    if noted.size != now.size:
        noted = np.full(now.size, -1)
    is_same = (now == noted.reshape(now.shape)).all(axis=1) & (now >= 0).all(axis=1)
    for stored, is_known in zip(_stored(store, by_token).values(), is_same.tolist(), strict=True):
        if not is_known:
            _verified_bytes(store, stored)


def candles_by_token(store: ParquetArtifactStore, by_token: ByToken) -> Iterator[TokenCandles]:
    """The candles of each token, one at a time; several members of one token are merged.

    Raises ArtifactDamagedError, ArtifactMissingError, StorageError: candles that cannot be read are no fault of theirs.
    """
    stored = _stored(store, by_token)
    for token, members in by_token.items():
        try:
            only = stored[members[0].artifact_id] if len(members) == 1 else None
            table = None if only is None else _needed_columns(store, only)
            series, spans = series_and_spans(token, _merged(store, members) if table is None else table)
        except InvalidInputError as error:
            yield TokenCandles(token, fault=str(error))
        else:
            spans_us = tuple((epoch_microseconds(span.start), epoch_microseconds(span.end)) for span in spans)
            yield TokenCandles(token, series, spans_us)


def _stored(store: ParquetArtifactStore, by_token: ByToken) -> dict[str, Artifact]:
    """The members by id with the names under which the store keeps their files, in the order of ``by_token``."""
    ids = [member.artifact_id for members in by_token.values() for member in members]
    with store.manifest.reading() as connection:
        found = manifest_queries.get_many(connection, ids)
    return {artifact.artifact_id: artifact for artifact in found if artifact is not None}


def _verified_bytes(store: ParquetArtifactStore, stored: Artifact) -> bytes:
    try:
        return read_verified_bytes(store.files, stored.path_parquet, stored.file_hash)
    except IntegrityError:
        store.read(stored.artifact_id)  # what is wrong, and what to do about it, is said in one place
        raise


def _merged(store: ParquetArtifactStore, members: Sequence[Artifact]) -> pa.Table:
    tables = [read_newest(store, member) for member in members]
    return tables[0] if len(tables) == 1 else merge_slices(tables)


def _needed_columns(store: ParquetArtifactStore, member: Artifact) -> pa.Table | None:
    """Times and prices alone, from bytes whose hash is the recorded one; None where the whole table has to be read.

    That is for artifacts of an earlier version or store, whose columns may differ from their type's.
    """
    spec = find_artifact_type(member.artifact_type, member.schema_version)
    if spec is None or spec.is_lenient or spec.upcast is not None:
        return None
    data = _verified_bytes(store, member)
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        stored = file.schema_arrow
        if any(name not in stored.names or stored.field(name).type != type_ for name, type_ in _NEEDED.items()):
            return None
        table = file.read(columns=list(_NEEDED), use_threads=False)
        facts = file.metadata.metadata or {}
    if any(column.null_count for column in table.columns):
        return None
    named: dict[bytes, bytes] = {name: facts[name] for name in (b"resolution", b"source_spans") if name in facts}
    return table.replace_schema_metadata(named)
