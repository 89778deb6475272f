"""Why a query failed: one line for the user, and whether asking again can help."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clickhouse_connect.driver.exceptions import ClickHouseError, Error
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError, SSLError

from quantlab_resources.candles.clickhouse.answer_stream import AnswerTooLargeError, IncompleteAnswerError
from quantlab_resources.candles.clickhouse.clickhouse_address import PASSWORD_VARIABLE

PASSING_CODES = {
    159: "TIMEOUT_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    279: "ALL_CONNECTION_TRIES_FAILED",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    499: "S3_ERROR",
    745: "SERVER_OVERLOADED",
    999: "KEEPER_EXCEPTION",
}
"""Errors of ClickHouse that come from the state of a server, not from the query."""

_LOGIN_CODES = {192, 193, 194, 497, 516}
_RESULT_TOO_LARGE = 396
_STATUS = re.compile(r"HTTP status (\d{3})")
_PASSING_STATUS = {408, 425, 429}
_LOGIN_STATUS = {401, 403}
_IN_BAND = re.compile(rb"Code: (\d+)\. DB::[^\x00]{0,400}")
_LONGEST = 300
_AROUND = re.compile(
    r"^Received ClickHouse exception, code: \d+, server response: "
    r"|\s*\(version [\w.]+( \([^()]*\))?\)"
    r"| \(for url [^)]*\)"
)
"""What the client puts around the words of the server."""


@dataclass(frozen=True, slots=True)
class Failure:
    """``reason`` is one line; ``is_passing`` says that the same query may be answered later."""

    reason: str
    is_passing: bool
    remedy: str = ""


def failure_of(error: BaseException) -> Failure:
    """What an error of the client, of its transport or of reading its answer means."""
    if isinstance(error, IncompleteAnswerError):
        return _incomplete(error)
    if isinstance(error, AnswerTooLargeError):
        return Failure(_line(str(error)), False, "ask for fewer tokens, or raise max_answer_mib")
    if isinstance(error, Error) and error.code is not None:
        return _of_code(error.code, str(error))
    transport = _transport(error)
    if transport is not None:
        return _of_transport(transport)
    text = str(error)
    status = _STATUS.search(text)
    if status is not None:
        number = int(status.group(1))
        remedy = f"check the user and {PASSWORD_VARIABLE}" if number in _LOGIN_STATUS else ""
        return Failure(_line(text), number >= 500 or number in _PASSING_STATUS, remedy)
    if "Unable to open the chdb engine" in text:
        return Failure(
            "the embedded engine did not open", True, "another process may have the folder open; check its permissions"
        )
    return Failure(_line(text), isinstance(error, OSError) and not isinstance(error, ClickHouseError))


def _of_code(code: int, text: str) -> Failure:
    if code == _RESULT_TOO_LARGE:
        return Failure(_line(text), False, "ask for fewer tokens, or raise max_answer_mib")
    remedy = f"check the user and {PASSWORD_VARIABLE}" if code in _LOGIN_CODES else ""
    return Failure(_line(text), code in PASSING_CODES, remedy)


def _transport(error: BaseException) -> HTTPError | None:
    """The error of the HTTP library behind one of the client's, or the error itself."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, HTTPError):
        seen = seen.__cause__
    if isinstance(seen, MaxRetryError) and isinstance(seen.reason, HTTPError):
        return seen.reason
    return seen


def _of_transport(error: HTTPError) -> Failure:
    if isinstance(error, SSLError):
        return Failure(_line(str(error)), False, "check secure and ca_file")
    if isinstance(error, ReadTimeoutError):
        return Failure("the server went silent in the middle", True, "raise read_timeout_seconds if it is only slow")
    return Failure(_line(str(error)), True)


def _incomplete(error: IncompleteAnswerError) -> Failure:
    written = _IN_BAND.search(error.tail)
    if written is None:
        return Failure(str(error), True)
    code = int(written.group(1))
    return Failure(f"{error}: {_line(written.group(0).decode(errors='replace'))}", code in PASSING_CODES)


def _line(text: str) -> str:
    """The words of the server or of the transport in one line, cut to a length that can be read."""
    line = " ".join(_AROUND.sub("", text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
