"""What the user says about an export as plain values, for run config and provenance, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.errors import InvalidInputError

_BOT_API_PREFIX = "-100"


def options_to_config(options: ReadOptions) -> dict[str, Any]:
    """The values that were said; what was left at its default is left out."""
    said = {"time_zone": options.time_zone, "salvage": options.salvage or None, "chat_id": options.chat_id}
    return {name: value for name, value in said.items() if value is not None}


def options_from_config(config: Mapping[str, Any]) -> ReadOptions:
    """The inverse of `options_to_config`; other values of ``config`` are not looked at."""
    return ReadOptions(
        time_zone=config.get("time_zone"), salvage=bool(config.get("salvage")), chat_id=config.get("chat_id")
    )


def bare_chat_id(text: str) -> int:
    """A chat's id as exports have it, also from the form with -100 that bots use. Raises InvalidInputError."""
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise InvalidInputError(f"{text!r} is not the id of a chat; expected a number such as 1234567890")
    if text.startswith(_BOT_API_PREFIX) and len(text) > 10:
        return int(text.removeprefix(_BOT_API_PREFIX))
    return abs(int(text))
