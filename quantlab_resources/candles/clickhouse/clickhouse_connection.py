"""One connection to ClickHouse: opened when it is needed, asked again while that can help, never longer than told.

A server and the embedded engine are the same client, so everything above does not know which of the two answers.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import pyarrow as pa
from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import HTTPError

from quantlab_core.errors import CandleSourceError
from quantlab_resources.candles.clickhouse.answer_stream import (
    AnswerTooLargeError,
    IncompleteAnswerError,
    read_answer,
)
from quantlab_resources.candles.clickhouse.clickhouse_address import ClickHouseAddress
from quantlab_resources.candles.clickhouse.clickhouse_config import ClickHouseConfig
from quantlab_resources.candles.clickhouse.query_failure import Failure, failure_of
from quantlab_resources.candles.clickhouse.whole_answers import ServerSettings, require_whole_answers, server_settings

FIRST_WAIT = 0.5
"""Seconds before the second attempt; each further wait is twice as long."""
MOST_CONNECTIONS = 2
CLIENT_NAME = "quantlab"

# Whatever the client logs it also raises, and a log line of a retry that heals would only alarm.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)


class ClickHouseConnection:
    """Asks one ClickHouse. Use it as a context manager; an embedded engine is let go at the end of the block.

    A folder belongs to one process while the engine has it open, and a Dagster server lives long: ``keeps_engine``
    keeps it open between blocks for a program that has the folder to itself. ``sleep`` waits between attempts.
    Not for use by several threads at once.
    """

    def __init__(
        self,
        address: ClickHouseAddress,
        config: ClickHouseConfig,
        *,
        password: str = "",
        sleep: Callable[[float], None] = time.sleep,
        keeps_engine: bool = False,
    ) -> None:
        self.address = address
        self._config = config
        self._password = password
        self._sleep = sleep
        self._is_let_go = address.folder is not None and not keeps_engine
        self._client: Client | None = None
        self._settings: ServerSettings | None = None
        self._pool: Any = None

    def __enter__(self) -> ClickHouseConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_let_go:
            self.close()

    def query(self, sql: str, parameters: Mapping[str, Any], *, asked_by: str = "") -> pa.Table:
        """The whole answer to a SELECT whose values are bound ``parameters``; nothing less is ever returned.

        Raises CandleSourceError.
        """
        for attempt in range(1, self._config.attempts + 1):
            try:
                return self._ask(sql, parameters, asked_by)
            except (
                ClickHouseError, HTTPError, OSError, pa.ArrowException, IncompleteAnswerError, AnswerTooLargeError
            ) as error:  # fmt: skip
                self.close()  # the next attempt begins with fresh connections
                failure = failure_of(error)
                if not failure.is_passing or attempt == self._config.attempts:
                    raise self._error(failure, attempt) from error
            except ImportError as error:
                raise CandleSourceError(
                    f"{self.address.shown}: the embedded ClickHouse is not installed; "
                    "run `make venv-embedded`, or pip install 'quantlab[clickhouse-embedded]'"
                ) from error
            self._sleep(FIRST_WAIT * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """Let go of connections and engine; the next query opens them again."""
        client, self._client, self._settings = self._client, None, None
        if client is not None:
            client.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def _ask(self, sql: str, parameters: Mapping[str, Any], asked_by: str) -> pa.Table:
        client, settings = self._opened()
        settings.apply(client, {"log_comment": f"{CLIENT_NAME} {asked_by}".strip()})
        stream: Any = client.raw_stream(
            sql, parameters=dict(parameters), settings={"query_id": _query_id(asked_by)}, fmt="ArrowStream"
        )
        try:
            return read_answer(stream, max_bytes=self._config.max_answer_mib * 2**20)
        finally:
            stream.close()

    def _opened(self) -> tuple[Client, ServerSettings]:
        if self._client is None or self._settings is None:
            self.close()
            client = self._client = self._embedded() if self.address.folder is not None else self._of_server()
            settings = server_settings(client, subject=self.address.shown)
            require_whole_answers(client, settings, subject=self.address.shown)
            settings.apply(
                client,
                {
                    "max_execution_time": self._config.read_timeout_seconds,
                    "max_result_bytes": self._config.max_answer_mib * 2**20,
                    "output_format_arrow_string_as_string": 1,
                    "output_format_arrow_low_cardinality_as_dictionary": 1,
                    **({"output_format_arrow_compression_method": "none"} if self.address.folder else {}),
                },
            )
            self._settings = settings  # only now: a server that may cut its answers is asked nothing
        return self._client, self._settings

    def _of_server(self) -> Client:
        address = self.address
        self._pool = get_pool_manager(maxsize=MOST_CONNECTIONS, block=True, ca_cert=self._config.ca_file)
        client: Any = get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=self._password,
            interface="https" if address.secure else "http",
            connect_timeout=self._config.connect_timeout_seconds,
            send_receive_timeout=self._config.read_timeout_seconds,
            query_retries=0,  # attempts are counted in one place, above
            autogenerate_session_id=False,
            client_name=CLIENT_NAME,
            pool_mgr=self._pool,
        )
        client.http_retries = False
        return client  # type: ignore[no-any-return]

    def _embedded(self) -> Client:
        folder = self.address.folder
        if folder is None or not folder.is_dir():
            raise CandleSourceError(f"{self.address.shown}: there is no such folder; check QUANTLAB_CANDLES")
        return get_client(interface="chdb", path=str(folder))

    def _error(self, failure: Failure, attempts: int) -> CandleSourceError:
        reason = failure.reason.replace(self._password, "***") if self._password else failure.reason
        tried = f" in {attempts} attempts" if attempts > 1 else ""
        remedy = f"; {failure.remedy}" if failure.remedy else ""
        return CandleSourceError(f"{self.address.shown}: no whole answer{tried} ({reason}); nothing was taken{remedy}")


def _query_id(asked_by: str) -> str:
    """An id of its own for every attempt: a server refuses one that is still running."""
    return "-".join(part for part in (CLIENT_NAME, re.sub(r"[^\w.:-]", "_", asked_by)[:64], uuid.uuid4().hex) if part)
