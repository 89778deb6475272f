"""The candle source is asked again for the days on which some tokens were called."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import RefreshReport, refresh_research
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.errors import InvalidInputError, NotFoundError
from quantlab_core.token import split_token_name


@dataclass(frozen=True, slots=True)
class Refetched:
    """Days that were asked for again, and what that changed."""

    days: tuple[date, ...]
    refresh: RefreshReport


def refetch_candles(
    runs: LakeRuns, tokens: Collection[str], *, first: date | None = None, last: date | None = None
) -> Refetched:
    """Cut the slices again of the days, ``first`` to ``last`` (both included), on which one of ``tokens`` was called.

    A token is an address, or <chain>:<address>. A day is one question to the source, so the other tokens of these days
    are asked for as well; what did not change stays the artifact that it was. Raises InvalidInputError (no token, or
    the source holds nothing), NotFoundError (a token that nobody called on these days), CandleSourceError.
    """
    wanted = {_address(token): token for token in tokens}
    if not wanted:
        raise InvalidInputError("no token is named; list the addresses of the tokens whose candles shall be asked for")
    days = _days_of_calls(runs, wanted, first, last)
    missing = [token for address, token in wanted.items() if address not in days]
    if missing:
        span = "" if first is None and last is None else f" from {first or 'the first day'} to {last or 'today'}"
        raise NotFoundError(
            f"token not found among the alerts{span}: {missing[0][:80]!r}; `quantlab ohlcv export` asks for the "
            "candles of a token that nobody called"
        )
    if not runs.lab.candle_source.holds_any():
        raise InvalidInputError(
            "the candle source holds nothing yet: the job `import_candles` brings candles in, "
            "and QUANTLAB_CANDLES names another source"
        )
    asked = sorted(set().union(*days.values()))
    return Refetched(tuple(asked), refresh_research(runs, asked))


def _days_of_calls(
    runs: LakeRuns, wanted: Collection[str], first: date | None, last: date | None
) -> dict[str, set[date]]:
    """For each address of ``wanted`` that was called, the days of its calls."""
    found: dict[str, set[date]] = {}
    store = runs.lab.artifacts
    for head in store.heads(ALERTS.name):
        parts = key_parts_of(head)
        if parts is None:
            continue
        day = date.fromisoformat(parts["day"])
        if (first is None or first <= day) and (last is None or day <= last):
            for mint in set(map(_address, map(str, read_newest(store, head)["mint"].to_pylist()))) & set(wanted):
                found.setdefault(mint, set()).add(day)
    return found


def _address(token: str) -> str:
    """The address alone, in the form in which addresses are compared: a call may leave the chain open."""
    return split_token_name(token.strip())[1]
