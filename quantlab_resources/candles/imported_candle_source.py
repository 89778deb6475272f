"""The candle source over imported files: the current heads of ``imported_candles_v1`` in the artifact store."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import microseconds
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, IMPORTED_CANDLES
from quantlab_core.candles.candle_source import (
    IMPORTED_FILES,
    UNITS_CONTRADICT,
    CandleRequest,
    RejectedCandle,
    SourcedCandles,
)
from quantlab_core.candles.duplicate_candles import merge_candles
from quantlab_core.candles.epoch_time import epoch_microseconds, instant_of, iso_text
from quantlab_core.candles.neighbouring_rows import group_ranges
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.slices import named_for
from quantlab_core.candles.source_spans import SourceSpan, clip_spans, decode_spans, merge_spans
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.candles.token_series import UNKNOWN_UNIT
from quantlab_core.candles.validation import RULES
from quantlab_core.token import EVM_UNKNOWN, SOLANA, Token

SOURCE_NAME = IMPORTED_FILES
DEFAULT_CACHE_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class _TokenRows:
    """Rows [start, stop) of a file's table, which are one token's, and the span of them."""

    start: int
    stop: int
    span: SourceSpan


@dataclass(frozen=True, slots=True)
class _ImportedFile:
    artifact: Artifact
    resolution: str
    price_unit: str
    volume_unit: str
    declared_spans: tuple[SourceSpan, ...]
    rows: dict[Token, _TokenRows]

    def spans(self, token: Token) -> tuple[SourceSpan, ...]:
        """For when the source was asked about ``token``: as declared, else first to last candle."""
        return self.declared_spans or (self.rows[token].span,)


@dataclass(slots=True)
class _Answer:
    """What is gathered for one request while files are read one after the other."""

    request: CandleRequest
    candles: list[pa.Table] = field(default_factory=list)
    spans: list[SourceSpan] = field(default_factory=list)
    files: list[_ImportedFile] = field(default_factory=list)


class ImportedCandleSource:
    """Answers from every imported file that has the token, merged.

    Candles of one minute that differ between files are decided by `duplicate_candles`, not by import order, and
    counted in ``conflicting_candles``. A file's span is the declared one, else first candle open to last candle
    close. Files of a token that differ in price or volume unit cannot be merged: a rejection names them. A token on
    ``evm_unknown`` is answered from the one EVM chain on which its address was imported; where there are several, none
    is guessed.

    Which file holds which token is read once per artifact and process; new imports are seen at the next request. Tables
    are kept up to ``cache_bytes``. Not for use by several threads at once.
    """

    def __init__(self, store: ArtifactStore, *, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._store = store
        self._cache_bytes = cache_bytes
        self._files: dict[str, _ImportedFile] = {}
        self._tables: OrderedDict[str, pa.Table] = OrderedDict()

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        """The candles of one token, as `CandleSource.fetch`."""
        return self.fetch_many([request])[0]

    def holds_any(self) -> bool:
        """Whether any file was imported."""
        return bool(self._store.heads(IMPORTED_CANDLES.name))

    def fingerprint(self) -> str:
        """Of the files that are current: another import, and no repetition, can bring another answer."""
        ids = "".join(sorted(artifact.artifact_id for artifact in self._store.heads(IMPORTED_CANDLES.name)))
        return f"{SOURCE_NAME} {hashlib.sha256(ids.encode()).hexdigest()}"

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        """The answers in the order of the requests; each file is read at most once."""
        files = [self._file(artifact) for artifact in self._store.heads(IMPORTED_CANDLES.name)]
        files_of: dict[Token, list[_ImportedFile]] = defaultdict(list)
        chains_of: dict[str, set[str]] = defaultdict(set)
        for file in files:
            for token in file.rows:
                files_of[token].append(file)
                chains_of[token.address].add(token.chain)
        answers = [_Answer(request) for request in requests]
        wanted: dict[str, list[tuple[_Answer, Token]]] = defaultdict(list)
        for answer in answers:
            for token in _imported_tokens(answer.request, chains_of):
                for file in files_of.get(token, ()):
                    if file.resolution == answer.request.resolution:
                        wanted[file.artifact.artifact_id].append((answer, token))
        for file in files:
            self._gather(file, wanted[file.artifact.artifact_id])
        return [_sourced(answer) for answer in answers]

    def _gather(self, file: _ImportedFile, wanted: Iterable[tuple[_Answer, Token]]) -> None:
        for answer, token in wanted:
            request = answer.request
            spans = clip_spans(file.spans(token), request.start, request.end)
            if spans:
                answer.files.append(file)
                answer.spans.extend(spans)
                answer.candles.append(_between(self._read(file.artifact), file.rows[token], request.start, request.end))

    def _file(self, artifact: Artifact) -> _ImportedFile:
        known = self._files.get(artifact.artifact_id)
        if known is None:
            known = self._files[artifact.artifact_id] = _described(artifact, self._read(artifact))
        return known

    def _read(self, artifact: Artifact) -> pa.Table:
        table = self._tables.pop(artifact.artifact_id, None)
        if table is None:
            table = self._store.read(artifact.artifact_id)
        self._tables[artifact.artifact_id] = table
        while len(self._tables) > 1 and sum(kept.nbytes for kept in self._tables.values()) > self._cache_bytes:
            self._tables.popitem(last=False)
        return table


def _described(artifact: Artifact, table: pa.Table) -> _ImportedFile:
    attributes = attributes_of(table)
    encoded = token_codes(table)
    stamps = microseconds(table["ts"])
    ranges = group_ranges(encoded.codes, len(encoded.tokens))
    step = RESOLUTIONS[attributes["resolution"]]
    rows = {
        token: _TokenRows(start, stop, SourceSpan(instant_of(stamps[start]), instant_of(stamps[stop - 1]) + step))
        for token, (start, stop) in zip(encoded.tokens, ranges, strict=True)
    }
    return _ImportedFile(
        artifact,
        attributes["resolution"],
        attributes["price_unit"],
        attributes["volume_unit"],
        decode_spans(attributes["source_spans"]),
        rows,
    )


def _imported_tokens(request: CandleRequest, chains_of: dict[str, set[str]]) -> list[Token]:
    """The names under which the requested token may have been imported."""
    names = [request.chain]
    if request.chain == EVM_UNKNOWN:
        known = chains_of.get(request.token_address, set()) - {EVM_UNKNOWN, SOLANA}
        names += known if len(known) == 1 else []
    return [Token(chain, request.token_address) for chain in names]


def _between(table: pa.Table, rows: _TokenRows, start: datetime, end: datetime) -> pa.Table:
    """A copy of the token's candles that open in [start, end), so that the file's table can be let go."""
    of_token = table.slice(rows.start, rows.stop - rows.start)
    bounds = np.searchsorted(microseconds(of_token["ts"]), [epoch_microseconds(start), epoch_microseconds(end)])
    return of_token.take(pa.array(np.arange(bounds[0], bounds[1]), pa.int64()))


def _sourced(answer: _Answer) -> SourcedCandles:
    token = Token(answer.request.chain, answer.request.token_address)
    contradiction = _contradiction(answer)
    if contradiction:
        return SourcedCandles(
            CANDLE_SCHEMA.empty_table(),
            (),
            SOURCE_NAME,
            UNKNOWN_UNIT,
            UNKNOWN_UNIT,
            input_artifact_ids=_inputs(answer),
            rejections=(
                RejectedCandle(
                    *(token.address, token.chain, None, UNITS_CONTRADICT, RULES[UNITS_CONTRADICT], contradiction),
                    payload=_request_text(answer.request),
                ),
            ),
        )
    named = [named_for(token, candles) for candles in answer.candles]
    candles, conflicting = merge_candles(named or [CANDLE_SCHEMA.empty_table()])
    return SourcedCandles(
        candles=candles,
        spans=merge_spans(answer.spans),
        source=SOURCE_NAME,
        price_unit=next((file.price_unit for file in answer.files), UNKNOWN_UNIT),
        volume_unit=next((file.volume_unit for file in answer.files), UNKNOWN_UNIT),
        input_artifact_ids=_inputs(answer),
        conflicting_candles=conflicting,
    )


def _inputs(answer: _Answer) -> tuple[str, ...]:
    return tuple(sorted({file.artifact.artifact_id for file in answer.files}))


def _contradiction(answer: _Answer) -> str:
    """What the files of a token state differently, with a file of each; empty when they agree."""
    for name in ("price_unit", "volume_unit"):
        key_of_unit = {getattr(file, name): file.artifact.logical_key for file in answer.files}
        if len(key_of_unit) > 1:
            both = " and ".join(f"{unit} ({key})" for unit, key in sorted(key_of_unit.items()))
            return (
                f"imported files state its {name.replace('_', ' ')} as {both}; "
                f"import one of them again with the right --{name.replace('_', '-')}"
            )
    return ""


def _request_text(request: CandleRequest) -> str:
    window = {"from": iso_text(epoch_microseconds(request.start)), "to": iso_text(epoch_microseconds(request.end))}
    return json.dumps({"resolution": request.resolution, **window})
