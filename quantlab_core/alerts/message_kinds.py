"""What a message of an export can be (its kind), and what can become of it (its disposition)."""

CALL = "call"
BOT_REPLY = "bot_reply"
BOT_ALERT = "bot_alert"
COMMAND = "command"
UPDATE = "update"
TICKER_ONLY = "ticker_only"
NO_ALERT = "no_alert"
AMBIGUOUS = "ambiguous"
UNREADABLE = "unreadable"

ALERT_KINDS = frozenset({CALL, BOT_ALERT})

EVENT = "event"
NON_ALERT = "non_alert"
QUARANTINED = "quarantined"
DUPLICATE = "duplicate"
