"""Which alerts of the range an experiment trades. Every choice rests on what was known at the call.

An edited call shows a token that may have been written in later, when its price was known. So by default (``proven``)
an edited call is left out unless its token is proven for the time of the call; ``lag`` trades it from the time of the
edit instead. Of some calls nobody knows whether they were edited (adopted ones, HTML): they are traded and counted.
Only ``coverage`` looks at what came later, and leaves nothing out unless it is told to (see `coverage_policy`).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases
from quantlab_core.alerts.caller_names import normalise_name
from quantlab_core.experiments.listed_calls import Call
from quantlab_core.simulation.config_fields import ConfigFields, nearest
from quantlab_core.token import EVM_CHAINS, SOLANA

CoveragePolicy = Literal["accept", "exclude", "refuse"]
EditedCalls = Literal["proven", "accept", "lag"]
Remention = Literal["all", "first_in_chat", "first_by_caller"]
SELECTION_KEYS = ("coverage", "remention", "edited", "callers", "chains")
_PROVEN_BEFORE = "exclude"
"""The earlier word for ``proven``. It stays in the canonical mapping: another would rename every experiment."""
_CHAINS = frozenset({SOLANA}) | EVM_CHAINS


@dataclass(frozen=True, slots=True)
class Selection:
    """The ``selection`` block. ``callers`` are normalised names, or sender ids that have an alias; None selects all."""

    edited: EditedCalls = "proven"
    remention: Remention = "all"
    callers: tuple[str, ...] | None = None
    chains: tuple[str, ...] | None = None
    coverage: CoveragePolicy = "accept"


def parse_selection(values: object) -> Selection:
    """The selection that a ``selection`` block describes. Raises InvalidInputError naming the key."""
    fields = ConfigFields("selection", values, SELECTION_KEYS)
    chains = fields.texts("chains")
    for chain in chains or ():
        if chain not in _CHAINS:
            raise fields.refuse("chains", f"has the unknown chain {chain!r}{nearest(chain, _CHAINS)}")
    callers = fields.texts("callers")
    edited = fields.choice("edited", "proven", (*get_args(EditedCalls), _PROVEN_BEFORE))
    return Selection(
        edited=cast(EditedCalls, "proven" if edited == _PROVEN_BEFORE else edited),
        remention=cast(Remention, fields.choice("remention", "all", get_args(Remention))),
        callers=None if callers is None else tuple(sorted({normalise_name(caller) or "" for caller in callers})),
        chains=None if chains is None else tuple(sorted(set(chains))),
        coverage=cast(CoveragePolicy, fields.choice("coverage", "accept", get_args(CoveragePolicy))),
    )


def selection_mapping(selection: Selection) -> dict[str, Any]:
    """The canonical mapping of ``selection``; the inverse of `parse_selection`."""
    mapping: dict[str, Any] = {
        "coverage": selection.coverage,
        "remention": selection.remention,
        "edited": _PROVEN_BEFORE if selection.edited == "proven" else selection.edited,
    }
    if selection.callers is not None:
        mapping["callers"] = list(selection.callers)
    if selection.chains is not None:
        mapping["chains"] = list(selection.chains)
    return mapping


def with_aliases(selection: Selection, aliases: CallerAliases) -> Selection:
    """``selection`` with each of its callers as the one whom ``aliases`` name."""
    if selection.callers is None or aliases == NO_ALIASES:
        return selection
    return replace(selection, callers=tuple(sorted({aliases.selected(caller) for caller in selection.callers})))


def exclusion_reason(call: Call, selection: Selection, rementions: Set[str] = frozenset()) -> str | None:
    """Why ``selection`` leaves the call out, or None when it is traded; ``rementions`` are ids of repeated calls."""
    if selection.chains is not None and call.token.chain not in selection.chains:
        return "chain_not_selected"
    if selection.callers is not None and call.caller not in selection.callers:
        return "caller_not_selected"
    if is_left_out_as_edited(call, selection):
        return "edited_call"
    return f"not_{selection.remention}" if call.alert_id in rementions else None


def is_left_out_as_edited(call: Call, selection: Selection) -> bool:
    """Whether the call was edited, its token is not proven for the time of the call, and only proven ones count."""
    return selection.edited == "proven" and not call.is_token_proven and not call.is_edit_unknown


def tradable_from_us(call: Call, selection: Selection) -> int:
    """When the call could be acted on: when it was sent, or under ``lag`` when an unproven call was edited."""
    if selection.edited == "lag" and not call.is_token_proven and call.edited_ts_us is not None:
        return max(call.alert_ts_us, call.edited_ts_us)
    return call.alert_ts_us
