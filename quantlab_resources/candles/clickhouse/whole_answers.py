"""Settings under which ClickHouse gives a whole answer or an error.

A profile can tell a server to stop at a limit (of time, of rows, of bytes) and to end the answer as if it were whole:
end marker and all. Nothing in such an answer shows that it was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from quantlab_core.errors import CandleSourceError

_SAFE = {"limit": "0", "offset": "0", "skip_unavailable_shards": "0", "partial_result_on_first_cancel": "0"}
_SAFE_MODE = "throw"
_IN_EVERY_VERSION = "read_overflow_mode"
# One row, since the settings in question cut this answer too, and with it the client's own list of settings.
_SETTINGS = "SELECT groupArray((name, value, toUInt8(readonly))) FROM system.settings"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Value of every setting by its name, and which of them this user may change."""

    values: Mapping[str, str]
    changeable: frozenset[str]

    def apply(self, client: Client, settings: Mapping[str, Any]) -> None:
        """Set what this server knows and lets its user change; a user who may only read can change nothing."""
        for name, value in settings.items():
            if name in self.changeable:
                client.set_client_setting(name, value)


def server_settings(client: Client, *, subject: str) -> ServerSettings:
    """What the server says of its settings. Raises CandleSourceError where it does not say it in full."""
    rows = client.query(_SETTINGS).result_rows
    found = rows[0][0] if rows else []
    values = {name: value for name, value, _ in found}
    if _IN_EVERY_VERSION not in values:
        raise CandleSourceError(
            f"{subject}: the server does not name its settings, so a cut answer could pass for a whole one; "
            "nothing was taken; take limits out of the user's profile, and let the user read system.settings"
        )
    return ServerSettings(values, frozenset(name for name, _, readonly in found if not readonly))


def require_whole_answers(client: Client, settings: ServerSettings, *, subject: str) -> None:
    """Have every limit end in an error. Raises CandleSourceError, naming a setting that cuts and cannot be changed."""
    safe = {name: value for name, value in _SAFE.items() if name in settings.values}
    safe |= {name: _SAFE_MODE for name in settings.values if "_overflow_mode" in name}
    for name, value in safe.items():
        found = settings.values[name]
        if name not in settings.changeable and not _is_same(found, value):
            raise CandleSourceError(
                f"{subject}: {name} is {found!r} for this user, read-only, so a cut answer would pass for a whole one; "
                f"nothing was taken; set {name} to {value!r} in the user's profile, or let the user change it"
            )
    settings.apply(client, safe)


def _is_same(found: str, safe: str) -> bool:
    """Whether a server means the same: versions write zero as ``0``, ``0.0`` or ``false``."""
    if safe == _SAFE_MODE:
        return found.lower() == safe
    return found.strip().lower() in {"", "0", "0.0", "false"}
