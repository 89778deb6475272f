"""How often a token had been called before each alert: by the same chat, and by the same caller in any chat.

These facts depend on all days, so they are a table of their own and no columns of the daily alerts.
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from quantlab_core.alerts.artifact_types import TOKEN_CALLS
from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases


def token_calls(alerts: pa.Table, aliases: CallerAliases = NO_ALIASES) -> pa.Table:
    """One ``token_calls_v1`` row per row of ``alerts`` (``alerts_v1`` rows of all days, any order).

    Calls are counted in the order of (time, alert id). A caller is whom ``aliases`` name, else the sender id, else the
    normalised name; an alert with neither counts as its chat's own caller, and ``caller_id`` and ``caller`` are null.
    """
    columns = ("alert_ts_utc", "alert_id", "chain", "mint", "alert_chat_id", "caller_id", "caller_name_norm")
    ordered = alerts.select(columns).sort_by([("alert_ts_utc", "ascending"), ("alert_id", "ascending")])
    in_chat: Counter[tuple[str, str, int]] = Counter()
    by_caller: Counter[tuple[str, str, str | int]] = Counter()
    caller_ids: list[str | None] = []
    callers: list[str | None] = []
    chat_numbers: list[int] = []
    caller_numbers: list[int] = []
    lists = (ordered[name].to_pylist() for name in columns[2:])
    for chain, mint, chat_id, sender_id, name in zip(*lists, strict=True):
        caller = aliases.person(sender_id, name)
        in_chat[chain, mint, chat_id] += 1
        by_caller[chain, mint, caller or chat_id] += 1
        caller_ids.append(sender_id or name)
        callers.append(caller)
        chat_numbers.append(in_chat[chain, mint, chat_id])
        caller_numbers.append(by_caller[chain, mint, caller or chat_id])
    return pa.Table.from_arrays(
        [
            *(ordered[name] for name in columns[:5]),
            pa.array(caller_ids, pa.string()),
            pa.array(callers, pa.string()),
            pa.array([number == 1 for number in chat_numbers], pa.bool_()),
            pa.array([number == 1 for number in caller_numbers], pa.bool_()),
            pa.array(chat_numbers, pa.int32()),
            pa.array(caller_numbers, pa.int32()),
        ],
        schema=TOKEN_CALLS.schema,
    )
