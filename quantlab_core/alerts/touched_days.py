"""Which days an export is about: those whose alerts its messages can change, and those that have a call for certain."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa

from quantlab_core.alerts.message_kinds import BOT_ALERT, BOT_REPLY, CALL, EVENT, QUARANTINED
from quantlab_core.alerts.reply_windows import REPLY_WINDOW
from quantlab_core.candles.arrow_columns import compute

TELLING_KINDS = (CALL, BOT_ALERT, BOT_REPLY)


def touched_days(dispositions: pa.Table) -> set[date]:
    """UTC days whose alerts these messages can change: days of calls, and of what a bot reply may answer.

    ``dispositions`` are ``message_dispositions_v1`` rows.
    """
    is_telling = compute.and_(
        compute.not_equal(dispositions["disposition"], QUARANTINED),
        compute.is_in(dispositions["kind"], value_set=pa.array(TELLING_KINDS)),
    )
    telling = dispositions.filter(compute.and_(is_telling, compute.is_valid(dispositions["sent_ts"])))
    days: set[date] = set()
    for row in telling.select(["kind", "sent_ts"]).to_pylist():
        sent = row["sent_ts"]
        days.add(sent.date())
        if row["kind"] == BOT_REPLY and sent - datetime.combine(sent.date(), time.min, UTC) < REPLY_WINDOW:
            days.add(sent.date() - timedelta(days=1))
    return days


def days_with_events(dispositions: pa.Table) -> set[date]:
    """UTC days on which one of these messages calls a token, so that there must be alert events of them."""
    events = dispositions.filter(compute.equal(dispositions["disposition"], EVENT))
    sent: list[datetime] = compute.drop_null(events["sent_ts"]).to_pylist()
    return {instant.date() for instant in sent}
