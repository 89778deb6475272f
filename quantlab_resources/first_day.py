"""The first day that the graph knows: earlier calls have no partition, and nobody can ask for their candles."""

from __future__ import annotations

import os
from datetime import date

from quantlab_core.errors import InvalidInputError

DEFAULT_FIRST_DAY = "2018-01-01"


def first_day() -> date:
    """First day that the graph knows (``QUANTLAB_FIRST_DAY``, default 2018-01-01). Raises InvalidInputError."""
    text = os.environ.get("QUANTLAB_FIRST_DAY", DEFAULT_FIRST_DAY)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"QUANTLAB_FIRST_DAY is {text!r}; expected a date such as {DEFAULT_FIRST_DAY}"
        ) from None
