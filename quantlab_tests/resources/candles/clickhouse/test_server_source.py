"""The ClickHouse source over HTTP, with the real client, on a server that can be made to fail: all or nothing."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect import get_client

from quantlab_core.errors import CandleSourceError
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.answer_stream import END_MARKER, IncompleteAnswerError, read_answer
from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
from quantlab_tests.core.candles.candle_tables import TOKEN
from quantlab_tests.resources.candles.clickhouse import clickhouse_server
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    BASE,
    EDGE,
    fill,
    minutes_of,
    request,
    row,
    source_at,
)

ROWS = 90
SERVER_ERROR = "__exception__\r\nCode: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)\n"
WRONG_QUERY = "\nCode: 6. DB::Exception: Cannot parse string. (CANNOT_PARSE_TEXT)\n"


class Server:
    """The tests' server, its faults and what it was asked."""

    def __init__(self, folder: Path) -> None:
        program = [sys.executable, clickhouse_server.__file__, str(folder)]
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"clickhouse://{clickhouse_server.USER}@127.0.0.1:{self.port}/quantbot"

    def faults(self, *faults: dict[str, Any]) -> None:
        """What goes wrong with the next queries for candles; forgets what was asked."""
        self.told(faults=faults)

    def told(self, **told: Any) -> None:
        """What the server is to do: ``faults``, a ``profile`` of settings, which of them are ``readonly``."""
        self._tests(json.dumps(told).encode())

    def asked(self) -> list[dict[str, Any]]:
        """The queries for candles."""
        return [query for query in self.asked_in_all() if "`open` AS" in query["sql"]]

    def asked_in_all(self) -> list[dict[str, Any]]:
        """These, and those that count rows or look at the table."""
        queries: list[dict[str, Any]] = self._tests(None)
        return queries

    def _tests(self, body: bytes | None) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/tests", body, timeout=30) as answer:
            return json.loads(answer.read())

    def source(self, waits: list[float] | None = None, **config: Any) -> ClickHouseCandleSource:
        return source_at(self.url, password=clickhouse_server.PASSWORD, waits=waits, **config)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    client = get_client(
        host="127.0.0.1", port=server.port, username=clickhouse_server.USER, password=clickhouse_server.PASSWORD
    )
    fill(client, [*(row(number) for number in range(ROWS)), row(3, BASE), row(99, EDGE)])
    client.close()
    yield server
    server.close()


@pytest.fixture
def asked(server: Server) -> ClickHouseCandleSource:
    """A source that knows its table."""
    server.faults()
    source = server.source()
    source.fetch(request())
    server.faults()
    return source


def test_a_window_is_one_query_for_all_tokens_bound_tagged_and_by_interval(
    server: Server, asked: ClickHouseCandleSource
) -> None:
    other = Token("solana", "it's {intervals:Array(Int64)}")
    answers = asked.fetch_many([request(), request(BASE), request(other)], asked_by="run-7")
    assert [answer.candles.num_rows for answer in answers] == [ROWS, 1, 0]
    (query,) = server.asked()
    assert query["log_comment"] == "quantlab run-7"
    assert query["query_id"].startswith("quantlab-run-7-")
    assert "`interval` IN {intervals:Array(Int64)}" in query["sql"]
    assert not any(value in query["sql"] for value in (TOKEN.address, other.address, "1746057600", "solana", "run-7"))


def test_the_rows_of_an_answer_are_counted_by_a_query_of_their_own(server: Server) -> None:
    """Rows that come in between the answer and the count are asked for again; a count that stays different is told."""
    source = server.source()
    server.told(rows_not_counted=2)
    assert source.fetch(request()).candles.num_rows == ROWS
    assert len(server.asked()) == 3
    server.told(rows_not_counted=9)
    with pytest.raises(CandleSourceError, match=r"counts 91 rows where its answer has 90, 4 times; nothing was taken"):
        source.fetch(request())
    server.faults()


CUTS = [
    ({"limit": "5"}, ""),
    ({"offset": "5"}, "Unexpected response"),
    ({"max_result_rows": "5", "max_block_size": "5", "result_overflow_mode": "break"}, "."),
    ({"max_rows_to_read": "5", "max_block_size": "5", "read_overflow_mode": "break"}, "."),
]


@pytest.mark.parametrize(("profile", "told"), CUTS, ids=[next(iter(profile)) for profile, _ in CUTS])
def test_a_profile_that_cuts_answers_is_overruled_or_its_error_is_told(
    server: Server, profile: dict[str, str], told: str
) -> None:
    server.told(profile=profile)
    source = server.source(attempts=1)
    if told:
        with pytest.raises(CandleSourceError, match=told):
            source.fetch(request())
    else:
        assert minutes_of(source.fetch(request()).candles) == [*range(ROWS)]
    server.faults()


def test_a_limit_that_the_server_does_not_tell_is_found_by_counting(server: Server) -> None:
    """``limit`` is applied before ``system.settings`` is read, which says that it is 0."""
    server.told(profile={"limit": "50"}, readonly=["limit"])
    with pytest.raises(
        CandleSourceError, match=r"counts 90 rows where its answer has 50.*limits in the user's profile"
    ):
        server.source().fetch(request())
    server.faults()


@pytest.mark.parametrize(
    ("profile", "named"),
    [({"result_overflow_mode": "break"}, "result_overflow_mode is 'break'"),
     ({"read_overflow_mode": "break"}, "read_overflow_mode is 'break'"),
     ({"skip_unavailable_shards": "1"}, "skip_unavailable_shards is '1'"), ({"offset": "0"}, "")],
)  # fmt: skip
def test_a_setting_that_cuts_and_cannot_be_changed_is_named(
    server: Server, profile: dict[str, str], named: str
) -> None:
    server.told(profile=profile, readonly=[*profile, "timeout_overflow_mode"])
    source = server.source()
    try:
        if named:
            for _ in range(2):
                with pytest.raises(CandleSourceError, match=f"{named} for this user, read-only.*nothing was taken"):
                    source.fetch(request())
        else:
            assert source.fetch(request()).candles.num_rows == ROWS
    finally:
        server.faults()


def test_every_way_to_cut_an_answer_is_forbidden_with_each_query(server: Server, asked: ClickHouseCandleSource) -> None:
    asked.fetch(request())
    names = ("read", "result", "timeout", "set", "distinct", "sort", "group_by", "join", "transfer")
    safe = {f"{name}_overflow_mode": "throw" for name in names} | {
        "read_overflow_mode_leaf": "throw", "limit": "0", "offset": "0", "skip_unavailable_shards": "0",
    }  # fmt: skip
    for query in server.asked_in_all():
        assert {name: query.get(name) for name in safe} == safe


def test_other_windows_and_resolutions_are_queries_of_their_own(server: Server, asked: ClickHouseCandleSource) -> None:
    asked.fetch_many([request(), request(BASE), request(start=1), request(resolution="1h")])
    assert len([query["param_start"] for query in server.asked()]) == 2


def test_a_thousand_tokens_fit_into_one_query(server: Server, asked: ClickHouseCandleSource) -> None:
    tokens = [Token("solana", f"Token{number:039d}") for number in range(999)]
    answers = asked.fetch_many([request(), *map(request, tokens)])
    assert (len(server.asked()), answers[0].candles.num_rows) == (1, ROWS)


HEALING = [
    {"status": 500},
    {"status": 502, "text": "<html>Bad gateway</html>"},
    {"status": 503, "text": "<html>busy</html>"},
    {"status": 429},
    {"status": 500, "code": 202, "text": "Too many simultaneous queries."},
    {"kind": "short of its length"},
    {"kind": "closed early"},
    {"kind": "closed before its marker"},
    {"kind": "broken chunks"},
    {"kind": "without marker"},
    {"kind": "error at the end", "text": SERVER_ERROR},
    {"kind": "error in the middle", "text": SERVER_ERROR},
]


@pytest.mark.parametrize(
    "fault", HEALING, ids=lambda fault: str(fault.get("kind", fault.get("code", fault.get("status"))))
)
def test_what_passes_is_asked_again_and_then_answered_in_full(server: Server, fault: dict[str, Any]) -> None:
    server.faults()
    waits: list[float] = []
    source = server.source(waits)
    source.fetch(request())
    server.faults(fault, fault)
    assert minutes_of(source.fetch(request()).candles) == [*range(ROWS)]
    assert waits == [0.5, 1.0]
    assert len({query["query_id"] for query in server.asked()}) == 3


@pytest.mark.parametrize(
    "fault", HEALING, ids=lambda fault: str(fault.get("kind", fault.get("code", fault.get("status"))))
)
def test_what_does_not_pass_ends_in_an_error_and_never_in_a_gap(server: Server, fault: dict[str, Any]) -> None:
    server.faults()
    waits: list[float] = []
    source = server.source(waits)
    source.fetch(request())
    server.faults(*[fault] * 9)
    with pytest.raises(CandleSourceError, match="no whole answer in 4 attempts") as failed:
        source.fetch(request())
    assert (waits, len(server.asked())) == ([0.5, 1.0, 2.0], 4)
    assert "\n" not in str(failed.value)
    assert len(str(failed.value)) < 600


def test_what_the_server_wrote_into_its_answer_is_told(server: Server, asked: ClickHouseCandleSource) -> None:
    server.faults(*[{"kind": "error at the end", "text": SERVER_ERROR}] * 4)
    with pytest.raises(CandleSourceError, match=r"follows the end marker.*Code: 241\. DB::Exception: Memory limit"):
        asked.fetch(request())


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400, "code": 62, "text": "Syntax error."},
        {"status": 500, "code": 43, "text": "Illegal type of argument."},
        {"status": 404, "code": 60, "text": "Unknown table."},
        {"status": 403, "text": "<html>Forbidden</html>"},
        {"status": 500, "code": 497, "text": "reader: Not enough privileges."},
        {"kind": "error at the end", "text": WRONG_QUERY},
    ],
    ids=["syntax", "type", "table", "proxy", "privileges", "in the answer"],
)
def test_what_cannot_heal_is_asked_once(server: Server, fault: dict[str, Any]) -> None:
    server.faults()
    waits: list[float] = []
    source = server.source(waits)
    source.fetch(request())
    server.faults(*[fault] * 9)
    with pytest.raises(CandleSourceError, match="no whole answer"):
        source.fetch(request())
    assert (waits, len(server.asked())) == ([], 1)


def test_a_wrong_password_is_told_at_once_and_never_shown(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    waits: list[float] = []
    with pytest.raises(CandleSourceError, match="check the user and QUANTLAB_CLICKHOUSE_PASSWORD") as failed:
        source_at(server.url, password="guess1234", waits=waits).fetch(request())  # noqa: S106
    told = f"{failed.value!r} {failed.value.__cause__!r} {caplog.text}"
    assert "guess1234" not in told
    assert waits == []


def test_the_right_password_is_in_no_log_and_no_error(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults()
    source = server.source(attempts=1)
    source.fetch(request())
    server.faults({"status": 500, "code": 43, "text": f"echo of {clickhouse_server.PASSWORD}"})
    with pytest.raises(CandleSourceError, match=r"echo of \*\*\*") as failed:
        source.fetch(request())
    assert clickhouse_server.PASSWORD not in f"{failed.value} {caplog.text} {source!r}"


def test_a_server_that_goes_silent_is_waited_for_no_longer_than_told(server: Server) -> None:
    server.faults()
    source = server.source(attempts=2, read_timeout_seconds=1)
    source.fetch(request())
    server.faults(*[{"kind": "silent", "seconds": 3}] * 2)
    with pytest.raises(CandleSourceError, match=r"in 2 attempts \(the server went silent"):
        source.fetch(request())
    server.faults({"kind": "silent", "seconds": 3})
    assert source.fetch(request()).candles.num_rows == ROWS


def test_a_server_that_is_not_there_is_named_without_a_password() -> None:
    waits: list[float] = []
    source = source_at("clickhouse://me@127.0.0.1:9/db", password="guess1234", waits=waits)  # noqa: S106
    with pytest.raises(CandleSourceError, match=r"^clickhouse://me@127.0.0.1:9/db: .*Connection refused"):
        source.holds_any()
    assert waits == [0.5, 1.0, 2.0]


def test_a_plain_server_asked_for_encryption_is_refused(server: Server) -> None:
    with pytest.raises(CandleSourceError, match="check secure and ca_file"):
        source_at(f"{server.url}?secure=1").holds_any()


def test_an_answer_beyond_the_limit_is_not_asked_again(server: Server) -> None:
    client = get_client(
        host="127.0.0.1", port=server.port, username=clickhouse_server.USER, password=clickhouse_server.PASSWORD
    )
    client.command(
        "CREATE TABLE quantbot.many ENGINE = MergeTree ORDER BY token_address AS SELECT * REPLACE "
        "(timestamp + 60 * n AS timestamp) EXCEPT n "
        "FROM quantbot.ohlcv_candles, (SELECT number AS n FROM numbers(500)) AS counted"
    )
    client.close()
    waits: list[float] = []
    with pytest.raises(CandleSourceError, match="raise max_answer_mib"):
        server.source(waits, table="many", max_answer_mib=1).fetch(request(end=10_000))
    assert waits == []
    assert server.source(table="many").fetch(request(end=10_000)).candles.num_rows == ROWS + 499


def stream_of(batches: int) -> bytes:
    sink = io.BytesIO()
    schema = pa.schema([pa.field("n", pa.int64())])
    with pa.ipc.new_stream(sink, schema) as writer:
        for number in range(batches):
            writer.write_batch(pa.record_batch([pa.array([number] * 50)], schema=schema))
    return sink.getvalue()


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_no_beginning_of_an_answer_passes_for_the_whole(batches: int) -> None:
    whole = stream_of(batches)
    assert read_answer(io.BytesIO(whole), max_bytes=10**6).num_rows == 50 * batches
    for length in range(len(whole)):
        with pytest.raises(IncompleteAnswerError):
            read_answer(io.BytesIO(whole[:length]), max_bytes=10**6)
    with pytest.raises(IncompleteAnswerError):
        read_answer(io.BytesIO(whole + b"x"), max_bytes=10**6)


def test_the_library_alone_takes_a_beginning_for_the_whole() -> None:
    whole = stream_of(3)
    assert whole.endswith(END_MARKER)
    assert pa.ipc.open_stream(whole[:-8]).read_all().num_rows == 150  # why `read_answer` looks at the end itself
