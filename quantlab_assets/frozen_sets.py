"""Frozen sets in the graph: how assets freeze one, find the current one, and read what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import CURRENT, frozen_set_table
from quantlab_core.artifacts.frozen_set_members import CANDLE_MEMBERS, ReadTable, require_members
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.registry import artifact_type
from quantlab_core.candles.token_series import merge_slices
from quantlab_core.errors import NotFoundError
from quantlab_core.token import Token
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts


def current_set_draft(of: str, upstream: UpstreamArtifacts, members: Sequence[Artifact]) -> ArtifactDraft:
    """The set of the current ``members`` of ``upstream``; its inputs are its members."""
    return ArtifactDraft(
        ARTIFACT_SET,
        {"of": of, "selection": CURRENT},
        frozen_set_table(members),
        inputs=[upstream.reference(member) for member in members],
    )


def current_set(upstream: UpstreamArtifacts) -> Artifact:
    """The current set of an upstream asset that freezes one. Raises NotFoundError when it was never materialized."""
    found = [head for head in upstream.all() if head.logical_key.endswith(f"selection={CURRENT}")]
    if not found:
        raise NotFoundError(f"current set not found: materialize {' or '.join(upstream.spec.assets)} first")
    return found[0]


class SeriesByToken(Mapping[Token, pa.Table]):
    """One series per token from slices and token candles; several of one token are merged.

    A series is read when it is asked for and not kept, so that memory holds one token's candles and not the lake's.
    Raises InvalidInputError for a member that holds no candles.
    """

    def __init__(self, read: ReadTable, members: Sequence[Artifact], resolution: str = "1m") -> None:
        require_members(members, CANDLE_MEMBERS)
        self._read = read
        self._members: dict[Token, list[Artifact]] = {}
        for member in members:
            parts = parse_key(artifact_type(member.artifact_type, member.schema_version), member.logical_key)
            if parts["res"] == resolution:
                self._members.setdefault(Token.from_key_parts(parts), []).append(member)

    def __getitem__(self, token: Token) -> pa.Table:
        tables = [self._read(member) for member in self._members[token]]
        return tables[0] if len(tables) == 1 else merge_slices(tables)

    def __contains__(self, token: object) -> bool:
        return token in self._members

    def __iter__(self) -> Iterator[Token]:
        return iter(sorted(self._members))

    def __len__(self) -> int:
        return len(self._members)
