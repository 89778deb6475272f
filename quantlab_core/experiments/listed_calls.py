"""The alerts of an experiment as the calls that it selects from and trades."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.alerts.caller_aliases import CallerAliases
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import EVM_CHAINS, Token


@dataclass(frozen=True, slots=True)
class Call:
    """One alert; times are epoch microseconds UTC. ``caller`` is a name, ``person`` what calls are counted under."""

    alert_id: str
    token: Token
    chat_id: int
    caller: str | None
    person: str | None
    alert_ts_us: int
    edited_ts_us: int | None
    is_token_proven: bool

    @property
    def is_edit_unknown(self) -> bool:
        """Whether nothing is known of edits: a call that was never edited is proven, one that was has the time."""
        return self.edited_ts_us is None and not self.is_token_proven


def listed_calls(alerts: pa.Table, aliases: CallerAliases) -> list[Call]:
    """The rows of ``alerts`` (``alerts_v1``, any order) by time and id. Times stay whole microseconds.

    Raises InvalidInputError for an alert that occurs twice.
    """
    names = ("alert_id", "chain", "mint", "alert_chat_id", "caller_id", "caller_name_norm", "token_proven_at_call")
    columns = [alerts[name].to_pylist() for name in names]
    times = [pc.cast(alerts[name], pa.int64()).to_pylist() for name in ("alert_ts_utc", "edited_ts")]
    calls = [
        Call(
            alert_id=alert_id,
            token=Token(chain, mint.lower() if chain in EVM_CHAINS else mint),
            chat_id=chat_id,
            caller=aliases.caller(sender_id, name),
            person=aliases.person(sender_id, name),
            alert_ts_us=alert_ts_us,
            edited_ts_us=edited_ts_us,
            is_token_proven=is_token_proven,
        )
        for alert_id, chain, mint, chat_id, sender_id, name, is_token_proven, alert_ts_us, edited_ts_us in zip(
            *columns, *times, strict=True
        )
    ]
    calls.sort(key=lambda call: (call.alert_ts_us, call.alert_id))
    seen: set[str] = set()
    for call in calls:
        if call.alert_id in seen:
            raise InvalidInputError(
                f"alert {call.alert_id} occurs twice in the experiment's alerts; freeze a set without repeats"
            )
        seen.add(call.alert_id)
    return calls
