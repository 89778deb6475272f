"""Slices of the earlier store in our schema: times, tokens, rules, attributes; and how they merge with ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.candles.earlier_slices import slice_of_earlier
from quantlab_core.candles.token_series import merge_slices
from quantlab_core.errors import InvalidInputError

TOKEN = "4dAMSCFsAb17oDXteLAZ2QwsaF3jbdnjRZNzikhapump"  # noqa: S105 - a token is a coin here
START = datetime(2025, 5, 1, tzinfo=UTC)
KEY = f"token={TOKEN}/res=1m/from=2025-05-01T00:00:00.000Z/to=2025-05-02T00:00:00Z"


def rows(
    stamps: list[Any], type_: pa.DataType | None = None, mint: str | None = TOKEN, **columns: list[Any]
) -> pa.Table:
    count = len(stamps)
    prices = {"open": [1.0] * count, "high": [2.0] * count, "low": [0.5] * count, "close": [1.5] * count}
    return pa.table(
        {
            "token_address": pa.array([mint] * count, pa.string()),
            "timestamp": pa.array(stamps, type_),
            **(prices | {"volume": [10.0] * count} | columns),
        }
    )


@pytest.mark.parametrize(
    ("stamps", "type_"),
    [
        ([datetime(2025, 5, 1), datetime(2025, 5, 1, 0, 1)], pa.timestamp("us")),  # noqa: DTZ001 - stored without a zone
        ([START, START + timedelta(minutes=1)], pa.timestamp("ms", tz="UTC")),
        (["2025-05-01T00:00:00Z", "2025-05-01T00:01:00Z"], None),
        (["2025-05-01 00:00:00", "2025-05-01 00:01:00"], None),
        ([1746057600, 1746057660], pa.int64()),
        ([1746057600000, 1746057660000], pa.int64()),
    ],
)
def test_times_are_read_in_every_form(stamps: list[Any], type_: pa.DataType | None) -> None:
    table = slice_of_earlier(rows(stamps, type_), KEY)
    assert table["ts"].to_pylist() == [START, START + timedelta(minutes=1)]
    assert to_normal_form(table, OHLCV_SLICE).equals(table)


def test_a_slice_says_what_it_covers_and_what_is_assumed() -> None:
    assert attributes_of(slice_of_earlier(rows(["2025-05-01T00:00:00Z"]), KEY)) == {
        "resolution": "1m",
        "source": "adopted",
        "source_spans": '[["2025-05-01T00:00:00Z","2025-05-02T00:00:00Z"]]',
        "price_unit": "usd",
        "volume_unit": "unknown",
    }


def test_without_a_key_of_the_grammar_the_rows_speak_for_themselves() -> None:
    table = slice_of_earlier(rows(["2025-05-01T00:02:00Z", "2025-05-01T00:00:00Z"]), "somewhere else")
    assert attributes_of(table)["source_spans"] == '[["2025-05-01T00:00:00Z","2025-05-01T00:02:01Z"]]'
    assert attributes_of(table)["resolution"] == "unknown"
    assert set(table["token_address"].to_pylist()) == {TOKEN}
    two = pa.concat_tables([rows(["2025-05-01T00:00:00Z"]), rows(["2025-05-01T00:00:00Z"], mint="So1")])
    with pytest.raises(InvalidInputError, match="names 2 tokens"):
        slice_of_earlier(two, "somewhere else")


def test_epoch_stamps_far_from_the_window_of_the_key_are_no_times() -> None:
    assert slice_of_earlier(rows([1746057600, 1600000000], pa.int64()), KEY).num_rows == 1
    assert slice_of_earlier(rows([1746057600, 1600000020], pa.int64()), "no key").num_rows == 2


@pytest.mark.parametrize(
    ("token", "key", "expected"),
    [
        ("0xABcd", "token=0xABcd/res=1m/from=a/to=b", ("evm_unknown", "0xabcd")),
        ("0xABcd", "token=0xabcd/chain=evm/res=1m/from=a/to=b", ("evm_unknown", "0xabcd")),
        ("0xABcd", "token=0xabcd/chain=base/res=1m/from=a/to=b", ("base", "0xabcd")),
        (TOKEN, KEY, ("solana", TOKEN)),
        (None, KEY, ("solana", TOKEN)),
    ],
)
def test_token_and_chain_follow_from_key_and_address(token: str | None, key: str, expected: tuple[str, str]) -> None:
    table = slice_of_earlier(rows(["2025-05-01T00:00:00Z"], mint=token), key)
    assert (table["chain"][0].as_py(), table["token_address"][0].as_py()) == expected


def test_rows_that_are_no_candles_are_left_out_and_the_best_of_a_minute_stays() -> None:
    stamps = [f"2025-05-01T00:0{minute}:00Z" for minute in (0, 0, 1, 2, 3)] + ["2025-05-01T00:04:30Z", "x"]
    table = rows(
        stamps,
        open=[1.0, 1.0, -1.0, 1.0, float("nan"), 1.0, 1.0],
        high=[2.0, 2.0, 2.0, 0.1, 2.0, 2.0, 2.0],
        volume=[1.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    )
    found = slice_of_earlier(table, KEY)
    assert found.select(["ts", "volume"]).to_pylist() == [{"ts": START, "volume": 5.0}]
    other = slice_of_earlier(rows(["2025-05-01T00:00:00Z"], mint="So1"), KEY)
    assert other.num_rows == 0


def test_numbers_may_be_text_and_volume_may_be_missing() -> None:
    table = rows(["2025-05-01T00:00:00Z", "2025-05-01T00:01:00Z"], open=["1", "x"]).drop_columns(["volume"])
    assert slice_of_earlier(table, KEY).select(["open", "volume"]).to_pylist() == [{"open": 1.0, "volume": None}]


def ours(volume_unit: str, price_unit: str = "usd") -> pa.Table:
    adopted = slice_of_earlier(rows(["2025-05-01T00:05:00Z"]), KEY)
    return with_attributes(
        adopted, attributes_of(adopted) | {"source": "file", "volume_unit": volume_unit, "price_unit": price_unit}
    )


def test_an_adopted_slice_merges_with_an_imported_one_and_their_volumes_have_no_known_unit() -> None:
    adopted = slice_of_earlier(rows(["2025-05-01T00:00:00Z"]), KEY)
    merged = merge_slices([adopted, ours("usd")])
    assert merged.num_rows == 2
    attributes = attributes_of(merged)
    assert (attributes["source"], attributes["price_unit"], attributes["volume_unit"]) == (
        "adopted+file",
        "usd",
        "unknown",
    )
    assert attributes_of(merge_slices([ours("usd")]))["volume_unit"] == "usd"
    with pytest.raises(InvalidInputError, match="volume unit sol and usd"):
        merge_slices([adopted, ours("usd"), ours("sol")])
    with pytest.raises(InvalidInputError, match="price unit sol and usd"):
        merge_slices([adopted, ours("usd", price_unit="sol")])
