"""Where a ClickHouse is: a server, or a folder for the embedded engine, as one URL without a password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from quantlab_core.errors import InvalidInputError

SERVER_SCHEME, EMBEDDED_SCHEME = "clickhouse", "chdb"
PASSWORD_VARIABLE = "QUANTLAB_CLICKHOUSE_PASSWORD"  # noqa: S105 -- the name of a variable
DEFAULT_DATABASE = "quantbot"
DEFAULT_USER = "default"
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}
_PLAIN_PORT, _TLS_PORT = 8123, 8443


@dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    """A database of a server (``host``, ``port``, ``user``, ``secure``) or of the embedded engine (``folder``)."""

    database: str
    host: str = ""
    port: int = 0
    user: str = DEFAULT_USER
    secure: bool = False
    folder: Path | None = None

    @property
    def shown(self) -> str:
        """The URL as messages show it."""
        if self.folder is not None:
            return f"{EMBEDDED_SCHEME}://{self.folder}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SERVER_SCHEME}://{self.user}@{host}:{self.port}/{self.database}"


def parse_address(url: str) -> ClickHouseAddress:
    """``clickhouse://user@host:port/database`` (``?secure=1`` for HTTPS) or ``chdb:///folder`` (``?database=name``).

    Raises InvalidInputError, which never shows a password, for another form, an unknown option, or a password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _refused("is not a URL; write clickhouse://user@host:port/database or chdb:///folder") from error
    if parts.password is not None:
        raise _refused(f"has a password in it; take it out and set {PASSWORD_VARIABLE}")
    if parts.scheme == EMBEDDED_SCHEME:
        return _embedded(parts, options)
    if parts.scheme != SERVER_SCHEME or not parts.hostname:
        raise _refused("names no server; write clickhouse://user@host:port/database or chdb:///folder")
    _check_options(options, "secure")
    secure = _flag(options.get("secure", "0"))
    return ClickHouseAddress(
        database=_database(unquote(parts.path.strip("/"))),
        host=parts.hostname,
        port=port or (_TLS_PORT if secure else _PLAIN_PORT),
        user=unquote(parts.username or DEFAULT_USER),
        secure=secure,
    )


def _embedded(parts: SplitResult, options: dict[str, str]) -> ClickHouseAddress:
    _check_options(options, "database")
    folder = Path(unquote(parts.path))
    if parts.netloc or not parts.path.strip("/"):
        raise _refused("names no folder; write chdb:///folder with three slashes and the whole path")
    return ClickHouseAddress(database=_database(options.get("database", "")), folder=folder)


def _database(name: str) -> str:
    if "/" in name or not name.isprintable():
        raise _refused("names no database; write its name after the port: clickhouse://user@host:port/database")
    return name or DEFAULT_DATABASE


def _check_options(options: dict[str, str], known: str) -> None:
    unknown = sorted(set(options) - {known})
    if unknown:
        raise _refused(f"has an unknown option {unknown[0]!r}; there is {known}")


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise _refused("says neither yes nor no to secure; write secure=1 or leave it out")
    return text.lower() in _TRUE


def _refused(why: str) -> InvalidInputError:
    return InvalidInputError(f"the ClickHouse address in QUANTLAB_CANDLES {why}")
