"""Which names and ids are one person: the aliases of callers, as people write them and as ``caller_aliases_v1`` rows.

    callers:
      ann: [user7, "Ann B.", "🦉 Annie"]

An alias with the form of a sender id (``user7``, ``channel12``, a bare number) is an id, any other a name, compared in
its normal form. An id says who it is and anybody may take a name, so an id alias wins over a name alias.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from quantlab_core.alerts.artifact_types import CALLER_ALIASES
from quantlab_core.alerts.caller_names import normalise_name
from quantlab_core.errors import CallerAliasesError
from quantlab_core.simulation.config_fields import ConfigFields

ID, NAME = "id", "name"
LONGEST_NAME = 256
_SENDER_ID = re.compile(r"(?:user|channel|chat)?[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallerAliases:
    """Sender id → caller and normalised name → caller. Callers are normalised names, each an alias of itself."""

    by_id: Mapping[str, str] = field(default_factory=dict)
    by_name: Mapping[str, str] = field(default_factory=dict)

    def aliased(self, sender_id: str | None, name: str | None) -> str | None:
        """The caller whom the aliases name for this sender id and normalised name; None where they know neither."""
        by_id = None if sender_id is None else self.by_id.get(sender_id)
        return by_id if by_id is not None or name is None else self.by_name.get(name)

    def caller(self, sender_id: str | None, name: str | None) -> str | None:
        """What a person is called in results: the caller whom the aliases name, else the normalised name."""
        return self.aliased(sender_id, name) or name

    def person(self, sender_id: str | None, name: str | None) -> str | None:
        """What a person's calls are counted under: the caller whom the aliases name, else the id, else the name."""
        return self.aliased(sender_id, name) or sender_id or name

    def selected(self, text: str) -> str:
        """The caller that is meant by an id or a normalised name in a selection."""
        return self.aliased(text, text) or text


NO_ALIASES = CallerAliases()
"""Every id is a person, and every name without an id."""


def parse_aliases(document: object) -> CallerAliases:
    """The aliases of ``{"callers": {caller: [alias, …], …}}``. Raises CallerAliasesError naming caller and alias."""
    callers = ConfigFields("caller aliases", document, ("callers",), CallerAliasesError).block("callers")
    if not isinstance(callers, Mapping) or not callers:
        raise CallerAliasesError(
            'caller aliases: callers must name one caller or more, as in `callers: {ann: [user7, "Ann B."]}`'
        )
    by_id: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for written in callers:
        caller = _name(written, "the caller")
        if caller in by_name:
            raise CallerAliasesError(f"caller aliases: {caller!r} is named twice; write its aliases in one list")
        by_name[caller] = caller
    for written, aliases in callers.items():
        caller = _name(written, "the caller")
        if not isinstance(aliases, list | tuple) or not aliases:
            raise CallerAliasesError(f"caller aliases: {caller!r} needs a list of one or more aliases")
        for alias in aliases:
            is_id = isinstance(alias, str) and _SENDER_ID.fullmatch(alias) is not None
            known, key = (by_id, alias) if is_id else (by_name, _name(alias, f"an alias of {caller!r}"))
            other = known.setdefault(key, caller)
            if other != caller:
                raise CallerAliasesError(
                    f"caller aliases: {alias!r} is listed under {caller!r} and belongs to {other!r}; leave one"
                )
    return CallerAliases(by_id, by_name)


def aliases_table(aliases: CallerAliases) -> pa.Table:
    """The aliases as ``caller_aliases_v1``."""
    kinds = ((ID, aliases.by_id), (NAME, aliases.by_name))
    rows = sorted((caller, kind, alias) for kind, known in kinds for alias, caller in known.items())
    return pa.Table.from_pylist(
        [dict(zip(CALLER_ALIASES.schema.names, row, strict=True)) for row in rows], schema=CALLER_ALIASES.schema
    )


def aliases_of(table: pa.Table) -> CallerAliases:
    """The inverse of `aliases_table`."""
    rows = table.to_pylist()
    by_kind = {kind: {row["alias"]: row["caller"] for row in rows if row["alias_kind"] == kind} for kind in (ID, NAME)}
    return CallerAliases(by_kind[ID], by_kind[NAME])


def _name(written: object, what: str) -> str:
    """The normal form of a name that somebody wrote; ``what`` says in an error which one it is."""
    if not isinstance(written, str):
        raise CallerAliasesError(f"caller aliases: {what} must be text, got {written!r:.60}; put it in quotes")
    name = normalise_name(written)
    if name is None or len(name) > LONGEST_NAME:
        raise CallerAliasesError(
            f"caller aliases: {what} must have 1 to {LONGEST_NAME} characters beside blanks, got {written!r:.60}"
        )
    if _SENDER_ID.fullmatch(name):
        raise CallerAliasesError(
            f"caller aliases: {what} {written!r} has the form of a sender id; "
            "callers have names, and an id is an alias written as exported"
        )
    return name
