"""Which alerts of the range an experiment trades. Every choice rests on what was known at the call.

An edited call shows a token that may have been written in later, when its price was known. So by default an edited
call is excluded unless its token is proven for the time of the call; ``lag`` trades it from the time of the edit
instead. Of calls adopted from the earlier store nobody knows whether they were edited: they are traded and counted.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from quantlab_core.simulation.config_fields import ConfigFields, nearest
from quantlab_core.token import EVM_CHAINS, SOLANA

EditedCalls = Literal["exclude", "accept", "lag"]
SELECTION_KEYS = ("coverage", "remention", "edited", "callers", "chains")
_CHAINS = frozenset({SOLANA}) | EVM_CHAINS


@dataclass(frozen=True, slots=True)
class Selection:
    """The ``selection`` block. ``callers`` are normalised names; None selects all."""

    edited: EditedCalls = "exclude"
    callers: tuple[str, ...] | None = None
    chains: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What the selection looks at in one alert; times are epoch microseconds UTC."""

    chain: str
    caller: str | None
    alert_ts_us: int
    edited_ts_us: int | None
    is_token_proven: bool

    @property
    def is_edit_unknown(self) -> bool:
        """Whether nothing is known of edits: a call that was never edited is proven, one that was has the time."""
        return self.edited_ts_us is None and not self.is_token_proven


def parse_selection(values: object) -> Selection:
    """The selection that a ``selection`` block describes. Raises InvalidInputError naming the key."""
    fields = ConfigFields("selection", values, SELECTION_KEYS)
    remention = fields.choice("remention", "all", ("all", "first_in_chat", "first_by_caller"))
    if remention != "all":
        raise fields.refuse(
            "remention", f"{remention} is not supported: an experiment does not read token calls; use all"
        )
    coverage = fields.choice("coverage", "accept", ("accept", "exclude", "refuse"))
    if coverage != "accept":
        raise fields.refuse(
            "coverage", f"{coverage} is not supported: poorly covered alerts are traded and flagged; use accept"
        )
    chains = fields.texts("chains")
    for chain in chains or ():
        if chain not in _CHAINS:
            raise fields.refuse("chains", f"has the unknown chain {chain!r}{nearest(chain, _CHAINS)}")
    callers = fields.texts("callers")
    return Selection(
        edited=cast(EditedCalls, fields.choice("edited", "exclude", get_args(EditedCalls))),
        callers=None if callers is None else tuple(sorted({_normalised(caller) for caller in callers})),
        chains=None if chains is None else tuple(sorted(set(chains))),
    )


def selection_mapping(selection: Selection) -> dict[str, Any]:
    """The canonical mapping of ``selection``; the inverse of `parse_selection`."""
    mapping: dict[str, Any] = {"coverage": "accept", "remention": "all", "edited": selection.edited}
    if selection.callers is not None:
        mapping["callers"] = list(selection.callers)
    if selection.chains is not None:
        mapping["chains"] = list(selection.chains)
    return mapping


def exclusion_reason(call: Call, selection: Selection) -> str | None:
    """Why ``selection`` leaves the call out, or None when it is traded."""
    if selection.chains is not None and call.chain not in selection.chains:
        return "chain_not_selected"
    if selection.callers is not None and call.caller not in selection.callers:
        return "caller_not_selected"
    if selection.edited == "exclude" and not call.is_token_proven and not call.is_edit_unknown:
        return "edited_call"
    return None


def tradable_from_us(call: Call, selection: Selection) -> int:
    """When the call could be acted on: when it was sent, or under ``lag`` when an unproven call was edited."""
    if selection.edited == "lag" and not call.is_token_proven and call.edited_ts_us is not None:
        return max(call.alert_ts_us, call.edited_ts_us)
    return call.alert_ts_us


def _normalised(caller: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", caller).casefold().split())
