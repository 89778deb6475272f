"""Who called: the persons behind the alerts, with every id and name that they called under."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from quantlab_core.alerts.caller_aliases import ID, NAME, CallerAliases


@dataclass(frozen=True, slots=True)
class Caller:
    """A person and its calls; times are UTC. ``alias_caller`` is the name from the aliases, ``names`` are as written.

    ``person`` is None for calls that tell of neither id nor name.
    """

    person: str | None
    alias_caller: str | None
    ids: tuple[str, ...]
    names: tuple[str, ...]
    calls: int
    first_call: datetime
    last_call: datetime


def callers_of(alerts: pa.Table, aliases: CallerAliases) -> list[Caller]:
    """The callers of ``alerts`` (``alerts_v1`` rows), most calls first, between equals by name."""
    names = ("alert_ts_utc", "caller_id", "caller_name", "caller_name_norm")
    calls: dict[tuple[str | None, str | None], list[tuple[datetime, str | None, str | None]]] = defaultdict(list)
    for sent, sender_id, written, name in zip(*(alerts[column].to_pylist() for column in names), strict=True):
        person = (aliases.person(sender_id, name), aliases.aliased(sender_id, name))
        calls[person].append((sent, sender_id, written))
    found = [
        Caller(
            person=person,
            alias_caller=alias_caller,
            ids=tuple(sorted({sender_id for _, sender_id, _ in of_person if sender_id is not None})),
            names=tuple(sorted({written for _, _, written in of_person if written is not None})),
            calls=len(of_person),
            first_call=min(sent for sent, _, _ in of_person),
            last_call=max(sent for sent, _, _ in of_person),
        )
        for (person, alias_caller), of_person in calls.items()
    ]
    return sorted(found, key=lambda caller: (-caller.calls, caller.person or ""))


def alias_calls(alerts: pa.Table, aliases: CallerAliases) -> dict[tuple[str, str], int]:
    """How many calls each alias (kind, alias) decides. A caller's own name is left out where nobody used it.

    Where an id decides, the name beside it decides nothing.
    """
    decided: Counter[tuple[str, str]] = Counter()
    for sender_id, name in zip(
        *(alerts[column].to_pylist() for column in ("caller_id", "caller_name_norm")), strict=True
    ):
        if sender_id in aliases.by_id:
            decided[ID, sender_id] += 1
        elif name in aliases.by_name:
            decided[NAME, name] += 1
    listed = [(ID, alias) for alias in aliases.by_id]
    listed += [(NAME, alias) for alias, caller in aliases.by_name.items() if alias != caller]
    return {**dict.fromkeys(listed, 0), **decided}
