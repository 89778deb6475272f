"""An OpenLineage endpoint over HTTP as a destination: Marquez, DataHub and others take events by POST.

At least once on the wire: an answer that is lost on its way makes the event go out again. It is the same event then,
byte for byte, with the same run id and time, so that a receiver that knows runs by their id has it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import urllib3

from quantlab_core.errors import DeliveryError, InvalidInputError, first_line
from quantlab_resources.openlineage.lineage_outbox import Place

DEFAULT_PATH = "/api/v1/lineage"
"""Where OpenLineage's own clients post to, when an address has no path."""
SCHEMES = ("http", "https")
CONNECT_S, READ_S = 5.0, 20.0
WAITS_S = (0.5, 1.0, 2.0, 4.0)
"""Waits between the attempts: one more attempt than waits."""
LONGEST_WAIT_S = 10.0
_TOO_MANY, _TIMED_OUT, _FIRST_SERVER_ERROR = 429, 408, 500
_TAKEN = 2
_MOST_QUOTED = 200
_MOST_READ = 1 << 16

Sleep = Callable[[float], None]


class HttpEndpoint:
    """The endpoint at ``url``; ``api_key`` goes out as a bearer token and appears nowhere else.
    ``waits_s`` are the waits between attempts, of which there is one more.

    Raises InvalidInputError for another scheme, and for a URL with a password, a query or a fragment.
    """

    def __init__(
        self, url: str, *, api_key: str = "", waits_s: Sequence[float] = WAITS_S, sleep: Sleep = time.sleep
    ) -> None:
        self._url = _checked_url(url)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._api_key = api_key.strip()
        if self._api_key:
            if not (self._api_key.isascii() and self._api_key.isprintable()):
                raise InvalidInputError("the API key for lineage has characters that no HTTP header can have")
            self._headers["Authorization"] = f"Bearer {self._api_key}"
        self._waits_s = waits_s
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"HttpEndpoint({self._url!r})"

    @property
    def address(self) -> str:
        """The URL that events are posted to."""
        return self._url

    @contextmanager
    def open(self) -> Iterator[_OpenEndpoint]:
        """Connections are kept open within the block."""
        with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S)) as pool:
            yield _OpenEndpoint(self._url, pool, self._headers, self._without_key, self._waits_s, self._sleep)

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "…") if self._api_key else text


class _OpenEndpoint:
    def __init__(
        self,
        url: str,
        pool: urllib3.PoolManager,
        headers: dict[str, str],
        without_key: Callable[[str], str],
        waits_s: Sequence[float],
        sleep: Sleep,
    ) -> None:
        self._url = url
        self._pool = pool
        self._headers = headers
        self._without_key = without_key
        self._waits_s = waits_s
        self._sleep = sleep

    def last_received(self) -> Place | None:
        """An endpoint is not asked: what it was sent is in the delivery position."""
        return None

    def send(self, line: bytes) -> None:
        """Post one event until it is taken (any 2xx). What may pass is tried again; a refusal is final at once."""
        for wait_s in (*self._waits_s, None):
            why, asked_wait_s, is_final = self._attempt(line)
            if why is None:
                return
            if is_final or wait_s is None:
                raise DeliveryError(f"{self._url}: {why}; what was not taken waits and goes out with the next sending")
            self._sleep(min(max(wait_s, asked_wait_s), LONGEST_WAIT_S))

    def _attempt(self, line: bytes) -> tuple[str | None, float, bool]:
        """Why it was not taken (None: it was), how long the receiver asks to wait, and whether that was final."""
        try:
            answer = self._pool.request(
                "POST", self._url, body=line, headers=self._headers, redirect=False, preload_content=False
            )
            body = answer.read(_MOST_READ)
            if answer.read(1):
                answer.close()
            else:
                answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            return self._without_key(first_line(error, at_most=_MOST_QUOTED)), 0.0, False
        if answer.status // 100 == _TAKEN:
            return None, 0.0, True
        said = [f"answered {answer.status} {answer.reason or ''}".rstrip()]
        said += body.decode(errors="replace")[:_MOST_QUOTED].splitlines()[:1]
        why = self._without_key(": ".join(said))
        may_pass = answer.status in (_TOO_MANY, _TIMED_OUT) or answer.status >= _FIRST_SERVER_ERROR
        asked = answer.headers.get("Retry-After", "")
        return why, float(asked) if asked.isdecimal() else 0.0, not may_pass


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InvalidInputError("the address for lineage is no URL; write http://host:port") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InvalidInputError("the address for lineage can be a file, http://host:port or https://host:port")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidInputError(
            f"the address for lineage at {parts.hostname} has a user, a query or a fragment; leave it out: a key comes"
            " from QUANTLAB_OPENLINEAGE_API_KEY"
        )
    path = parts.path if parts.path.strip("/") else DEFAULT_PATH
    return parts._replace(path=path).geturl()
