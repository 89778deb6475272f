"""The source over imported files, on a real store: merging, spans, lineage, unknown chains."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, IMPORTED_CANDLES
from quantlab_core.candles.candle_source import UNITS_CONTRADICT, CandleRequest
from quantlab_core.candles.slices import slice_table
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.token import EVM_UNKNOWN, Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.candles.imported_candle_source import ImportedCandleSource
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.core.candles.candle_tables import TOKEN, candle, minute, series

EVM_ADDRESS = "0x4200000000000000000000000000000000000001"
BASE, BSC = Token("base", EVM_ADDRESS), Token("bsc", EVM_ADDRESS)


class FixedClock:
    def now(self) -> datetime:
        return datetime(2025, 6, 1, tzinfo=UTC)


class Lake:
    """A store with imported files, and a count of the files that were read."""

    def __init__(self, home: Path) -> None:
        self.store = ParquetArtifactStore.create(LakePaths.from_environment(home, {}), clock=FixedClock())
        self.source = ImportedCandleSource(self.store)

    def publish(self, name: str, table: pa.Table) -> str:
        request = PublishRequest(
            artifact_type=IMPORTED_CANDLES.name,
            schema_version=IMPORTED_CANDLES.version,
            logical_key=f"file={name}",
            data=table,
            writer=Writer("tests", "0", "0" * 40, git_dirty=False),
        )
        return self.store.publish(request).artifact_id


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def request(token: Token = TOKEN, start: int = 0, end: int = 100, resolution: str = "1m") -> CandleRequest:
    return CandleRequest(token.address, token.chain, resolution, minute(start), minute(end))


def span(start: int, end: int) -> SourceSpan:
    return SourceSpan(minute(start), minute(end))


def test_a_token_without_file_gives_no_candles_and_no_span(lake: Lake) -> None:
    lake.publish("a", series([candle(1)]))
    for unknown in (request(BASE), request(resolution="5m")):
        answer = lake.source.fetch(unknown)
        assert (answer.candles.num_rows, answer.spans, answer.input_artifact_ids) == (0, (), ())
        assert answer.candles.schema.equals(CANDLE_SCHEMA)
        assert (answer.source, answer.price_unit, answer.volume_unit) == ("file", "unknown", "unknown")


def test_an_undeclared_span_runs_from_the_first_open_to_the_last_close_of_each_token(lake: Lake) -> None:
    imported = lake.publish("a", series([candle(30, token=BASE), candle(3), candle(9)], price_unit="sol"))
    answer = lake.source.fetch(request())
    assert (answer.spans, answer.candles.num_rows, answer.price_unit) == ((span(3, 10),), 2, "sol")
    assert answer.input_artifact_ids == (imported,)
    assert lake.source.fetch(request(BASE)).spans == (span(30, 31),)


def test_candles_and_spans_are_clipped_to_the_request(lake: Lake) -> None:
    lake.publish("a", series([candle(number) for number in range(10)], [(0, 50)]))
    answer = lake.source.fetch(request(start=4, end=7))
    assert answer.candles["ts"].to_pylist() == [minute(4), minute(5), minute(6)]
    assert answer.spans == (span(4, 7),)


def test_a_declared_span_answers_where_no_candle_is(lake: Lake) -> None:
    imported = lake.publish("a", series([candle(1)], [(0, 50)]))
    answer = lake.source.fetch(request(start=20, end=90))
    assert (answer.candles.num_rows, answer.spans, answer.input_artifact_ids) == (0, (span(20, 50),), (imported,))


def test_files_of_one_token_are_merged_by_values_whichever_came_first(lake: Lake) -> None:
    small, large = candle(5, volume=19.9), candle(5, volume=51918.0, close=2.0)
    ids = [lake.publish("z", series([candle(4), large])), lake.publish("a", series([small, candle(8)]))]
    answer = lake.source.fetch(request())
    assert answer.candles.to_pylist() == [candle(4), large, candle(8)]
    assert (answer.conflicting_candles, answer.spans) == (1, (span(4, 9),))
    assert answer.input_artifact_ids == tuple(sorted(ids))


def test_only_files_that_reach_into_the_window_are_inputs(lake: Lake) -> None:
    near, _ = lake.publish("near", series([candle(5)])), lake.publish("far", series([candle(500)]))
    assert lake.source.fetch(request()).input_artifact_ids == (near,)


def test_files_of_other_units_are_not_merged(lake: Lake) -> None:
    lake.publish("a", series([candle(1)]))
    lake.publish("b", series([candle(2)], price_unit="sol"))
    refused, other = lake.source.fetch_many([request(), request(end=2)])
    assert (refused.is_refused, refused.candles.num_rows, refused.spans) == (True, 0, ())
    assert len(refused.input_artifact_ids) == 2
    (rejection,) = refused.rejections
    assert rejection.rule_id == UNITS_CONTRADICT
    assert re.search(r"price unit as sol \(file=b\) and usd \(file=a\).*--price-unit", rejection.reason)
    assert (other.is_refused, other.price_unit) == (False, "usd")
    assert lake.source.fetch(request(end=2)).price_unit == "usd"


def test_an_import_that_supersedes_another_replaces_it(lake: Lake) -> None:
    lake.publish("a", series([candle(1), candle(2)]))
    assert lake.source.fetch(request()).candles.num_rows == 2
    newer = lake.publish("a", series([candle(1, close=2.0)]))
    answer = lake.source.fetch(request())
    assert (answer.candles["close"].to_pylist(), answer.input_artifact_ids) == ([2.0], (newer,))


def test_an_unknown_chain_is_found_on_the_one_chain_that_has_the_address(lake: Lake) -> None:
    imported = lake.publish("a", series([candle(1, token=BASE)]))
    called = Token(EVM_UNKNOWN, EVM_ADDRESS)
    answer = lake.source.fetch(request(called))
    assert answer.input_artifact_ids == (imported,)
    assert answer.candles["chain"].to_pylist() == [EVM_UNKNOWN]
    assert slice_table(called, "1m", answer).num_rows == 1


def test_an_unknown_chain_is_not_guessed_between_two(lake: Lake) -> None:
    lake.publish("a", series([candle(1, token=BASE), candle(1, token=BSC)]))
    assert lake.source.fetch(request(Token(EVM_UNKNOWN, EVM_ADDRESS))).spans == ()
    assert lake.source.fetch(request(BSC)).candles.num_rows == 1


def test_what_was_imported_as_unknown_chain_joins_what_was_imported_on_the_one_known_chain(lake: Lake) -> None:
    called = Token(EVM_UNKNOWN, EVM_ADDRESS)
    lake.publish("a", series([candle(1, token=called)]))
    lake.publish("b", series([candle(2, token=BASE)]))
    assert lake.source.fetch(request(called)).candles["ts"].to_pylist() == [minute(1), minute(2)]


def test_many_requests_are_answered_in_their_order(lake: Lake) -> None:
    lake.publish("a", series([candle(1), candle(1, token=BASE)]))
    requests = [request(BASE), request(Token("solana", "unknown")), request(), request(BASE)]
    answers = lake.source.fetch_many(requests)
    assert [answer.candles.num_rows for answer in answers] == [1, 0, 1, 1]
    assert [answer.candles["chain"].to_pylist() for answer in answers] == [["base"], [], ["solana"], ["base"]]


def test_a_small_cache_changes_no_answer(lake: Lake) -> None:
    for number in range(4):
        lake.publish(f"f{number}", series([candle(number), candle(number, token=BASE)]))
    small = ImportedCandleSource(lake.store, cache_bytes=0)
    for asked in (request(), request(BASE), request(start=2, end=3)):
        assert small.fetch(asked) == lake.source.fetch(asked)


def test_a_file_is_read_once_however_many_requests_there_are(lake: Lake) -> None:
    artifact = lake.store.get_artifact(lake.publish("a", series([candle(1), candle(1, token=BASE)])))
    first = lake.source.fetch_many([request(), request(BASE)])
    Path(artifact.path_parquet).unlink()
    assert lake.source.fetch_many([request(), request(BASE)]) == first


def test_a_lake_without_imports_answers_with_nothing(lake: Lake) -> None:
    assert lake.source.fetch_many([]) == []
    assert lake.source.fetch(request()).spans == ()
