"""The candles of the few tokens that a report draws: read from the frozen set as the simulation read them."""

from __future__ import annotations

from collections.abc import Iterable

from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.errors import IntegrityError
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.token import Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.projections.member_candles import candles_by_token, members_by_token


def candles_of_tokens(
    store: ParquetArtifactStore, candle_set_id: str, tokens: Iterable[Token]
) -> dict[Token, CandleSeries]:
    """The series of those ``tokens`` whose candles are there and whole; a page can be shown without the others.

    Raises StorageError.
    """
    wanted = sorted(set(tokens))
    try:
        members = members_by_token(set_members(store, store.get_artifact(candle_set_id)))
    except IntegrityError:
        return {}
    found: dict[Token, CandleSeries] = {}
    for token in wanted:
        try:
            for candles in candles_by_token(store, {token: members[token]} if token in members else {}):
                if candles.series is not None:
                    found[token] = candles.series
        except IntegrityError:
            continue
    return found
