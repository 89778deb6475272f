"""`quantlab ohlcv export`: candles of any token and window as a slice, and what a refresh tells in the terminal."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import CANDLES_FROM, CANDLES_TO, FIRST_TOKEN, SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake

UNCALLED = "0x" + "AB" * 20
HOURLY = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
NOBODY = "7Ln37eKTXfskwCn2MFR46WVKUKfLfnixYcVEzQdtHFsg"
SOME_HOURS = ("--from", "2025-05-01T12:00:00Z", "--to", "2025-05-01T15:00:00Z")


@pytest.fixture(scope="module")
def home(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small lake with candles of a token that nobody called: even minutes of one hour, asked for two."""
    folder = tmp_path_factory.mktemp("export")
    home = copied_lake(small_lake.home, folder / "lake")
    lines = ["ts,open,high,low,close,volume"]
    lines += [f"2025-05-01T12:{minute:02}:00Z,1,2,1,{1 + minute / 60},{minute}" for minute in range(0, 60, 2)]
    file = folder / "uncalled.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = ("--token", UNCALLED, "--chain", "base", "--resolution", "1m", "--accept-regular-gaps")
    span = ("--from", "2025-05-01T12:00:00Z", "--to", "2025-05-01T14:00:00Z")
    assert call_quantlab("ohlcv", "import", file, *told, *span, home=home).exit_code == 0
    hours = folder / "hours.csv"
    lines = ["ts,open,high,low,close,volume", *(f"2025-05-01T{hour:02}:00:00Z,1,1,1,1,5" for hour in range(24))]
    hours.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = ("--token", HOURLY, "--chain", "solana", "--resolution", "1h")
    imported = call_quantlab("ohlcv", "import", hours, *told, home=home)
    assert imported.exit_code == 0, imported.output
    (line,) = [line for line in imported.stdout.splitlines() if line.startswith("nobody has called ")]
    assert line.startswith(f"nobody has called solana:{HOURLY} so far, ")
    assert "`quantlab ohlcv export`" in line
    return home


def export(home: Path, *arguments: str | Path) -> Result:
    return call_quantlab("ohlcv", "export", *arguments, home=home)


def fact(result: Result, name: str) -> str:
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).strip()


def test_a_token_that_nobody_called_is_exported_with_what_the_source_knew(home: Path) -> None:
    """Of three hours two were asked for; of their 120 minutes 30 have a candle, of which the first has no volume."""
    result = export(home, "--token", UNCALLED, "--chain", "base", *SOME_HOURS)
    key = f"token={UNCALLED.lower()}/chain=base/res=1m/from=2025-05-01T12:00:00Z/to=2025-05-01T15:00:00Z"
    assert fact(result, "slice") == key
    assert fact(result, "rows") == "30"
    assert fact(result, "span") == "2025-05-01 12:00 to 2025-05-01 14:00 UTC"
    assert fact(result, "coverage") == "120 of 180 intervals asked for, 30 with a candle, 29 traded"
    assert fact(result, "artifact").endswith("(new)")
    store = Lab(home).artifacts
    (head,) = store.heads("ohlcv_slice_v2", key)
    assert dict(store.tags(head.artifact_id)) == {"token": UNCALLED.lower(), "chain": "base", "resolution": "1m"}
    assert [owner.artifact_type for owner in store.get_lineage(head.artifact_id).inputs] == ["imported_candles_v1"]
    (series,) = store.heads("token_candles_v1", f"token={UNCALLED.lower()}/chain=base/res=1m")
    assert series.row_count == 30
    (candle_set,) = store.heads("artifact_set", "of=candles/selection=current")
    assert series.artifact_id in store.read(candle_set.artifact_id)["artifact_id"].to_pylist()
    frame = Lab(home).candles(UNCALLED, "2025-05-01T12:00:00Z", "2025-05-01T13:00:00Z")
    assert frame.height == 30


def test_exporting_again_changes_nothing_and_the_ui_knows_of_the_slice(home: Path, tmp_path: Path) -> None:
    arguments = ("--token", FIRST_TOKEN, *SOME_HOURS)
    copy = tmp_path / "copy.csv"
    first = export(home, *arguments, "--output", copy)
    assert fact(first, "artifact").endswith("(new)")
    header, *lines = copy.read_text(encoding="utf-8").splitlines()
    assert header.replace('"', "") == "token_address,chain,ts,open,high,low,close,volume"
    assert len(lines) == 180
    before = [head.artifact_id for head in Lab(home).artifacts.heads("token_candles_v1")]
    assert fact(export(home, *arguments), "artifact").endswith("(was there already)")
    assert [head.artifact_id for head in Lab(home).artifacts.heads("token_candles_v1")] == before
    with dagster_instance(home) as instance:
        noted = instance.fetch_observations(dg.AssetKey("ohlcv_slices"), limit=10).records
        keys = [record.asset_observation.metadata["logical_key"].value for record in noted if record.asset_observation]
        assert fact(first, "slice") in keys
        assert f"solana:{FIRST_TOKEN}" in instance.get_dynamic_partitions("tokens")


def test_a_slice_of_a_day_takes_the_place_of_that_days_and_shows_in_its_partition(home: Path) -> None:
    """The window of the cohort of 2 May; from a file that was not there when the day was cut."""
    window = ("--from", "2025-05-01T20:00:00Z", "--to", "2025-05-05T00:00:00Z")
    store = Lab(home).artifacts
    key = f"token={FIRST_TOKEN}/res=1m/from=2025-05-01T20:00:00Z/to=2025-05-05T00:00:00Z"
    (before,) = store.heads("ohlcv_slice_v2", key)
    more = home.parent / "more.csv"
    stamps = [CANDLES_TO + timedelta(minutes=minute) for minute in range(20)]
    rows = [f"{stamp:%Y-%m-%dT%H:%M:%SZ},{FIRST_TOKEN},solana,1,1,1,1,5" for stamp in stamps]
    more.write_text("\n".join(["ts,token_address,chain,open,high,low,close,volume", *rows]) + "\n", encoding="utf-8")
    imported = call_quantlab("ohlcv", "import", more, home=home)
    assert imported.exit_code == 0, imported.output
    assert "nobody has called" not in imported.stdout
    assert "1 slice changed since they were fetched before: 20 candles added, 0 removed" in imported.stdout
    result = export(home, "--token", FIRST_TOKEN, *window)
    assert fact(result, "artifact").endswith("(was there already)")
    (now,) = store.heads("ohlcv_slice_v2", key)
    assert (now.artifact_id != before.artifact_id, now.row_count - before.row_count) == (True, 20)
    synced = call_quantlab("lake", "sync-dagster", home=home)
    assert "0 materializations reported" in synced.stdout


def test_candles_of_a_coarser_resolution_are_made_of_those_that_there_are(home: Path, tmp_path: Path) -> None:
    """Twelve five-minute buckets have trades, in the second hour there is silence; [12:00, 12:05) sums 0 + 2 + 4."""
    copy = tmp_path / "copy.parquet"
    result = export(home, "--token", UNCALLED, "--chain", "base", "--resolution", "5m", *SOME_HOURS, "--output", copy)
    assert fact(result, "rows") == "12"
    assert fact(result, "source") == "file, aggregated from 1m"
    assert fact(result, "coverage") == "24 of 36 intervals asked for, 12 with a candle, 12 traded"
    table = pq.read_table(copy)
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["open"], first["close"], first["volume"]) == (1.0, 1 + 4 / 60, 6.0)
    assert attributes_of(table)["resolution"] == "5m"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("--token", HOURLY, *SOME_HOURS),
            1,
            r"in 1m candles or finer ones; it has candles of 1h, see --reso",
        ),
        (("--token", NOBODY, *SOME_HOURS), 1, r"solana:7Ln3\w+ not found in the candle source"),
        (("--token", FIRST_TOKEN, "--from", "2025-05-02", "--to", "2025-05-01"), 1, "is not before"),
        (("--token", FIRST_TOKEN, "--from", "yesterday", "--to", "2025-05-01"), 1, "yesterday"),
        (("--token", NOBODY, *SOME_HOURS, "--output", "copy.xlsx"), 1, "written as .parquet or .csv"),
        (("--token", "hello", *SOME_HOURS), 1, "'hello' is not a Solana address"),
        (("--token", UNCALLED, *SOME_HOURS), 1, "not a Solana address .* or name its chain"),
        (("--token", UNCALLED[:-2], "--chain", "base", *SOME_HOURS), 1, "is not an address on base"),
        (("--token", UNCALLED, "--chain", "b@se", *SOME_HOURS), 1, "'b@se' is not a chain name"),
        (("--token", UNCALLED, "--chain", "baze", *SOME_HOURS), 1, r"baze:0xab\w+ not found in the candle source"),
        (("--token", UNCALLED, "--chain", "eth", *SOME_HOURS), 1, r"ethereum:0xab\w+ not found in the candle source"),
        (("--token", FIRST_TOKEN, "--pool", "hello", *SOME_HOURS), 1, "'hello' is not a Solana address"),
        (SOME_HOURS, 2, "name a --token, or a --pool"),
        (("--token", FIRST_TOKEN, "--resolution", "2m", *SOME_HOURS), 2, "2m"),
    ],
)
def test_what_cannot_be_exported_is_named_and_leaves_nothing(
    home: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    sequence = Lab(home).artifacts.last_sequence()
    result = export(home, *arguments)
    assert result.exit_code == status
    assert re.search(said, result.stderr)
    assert Lab(home).artifacts.last_sequence() == sequence


def test_a_source_that_no_longer_has_the_candles_takes_none_away(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--token", FIRST_TOKEN, "--from", "2025-05-01T16:00:00Z", "--to", "2025-05-01T17:00:00Z")
    key = fact(export(home, *arguments), "slice")
    (before,) = Lab(home).artifacts.heads("ohlcv_slice_v2", key)
    home = copied_lake(home, tmp_path / "lake")  # the source of a lake is made once per process
    (tmp_path / "candles").mkdir()
    monkeypatch.setenv("QUANTLAB_CANDLES", str(tmp_path / "candles"))
    refused = export(home, *arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "folder has no 1m candles of it; what file gave stays; nothing was exported" in refused.stderr
    (after,) = Lab(home).artifacts.heads("ohlcv_slice_v2", key)
    assert (after.artifact_id, after.row_count) == (before.artifact_id, 60)


def test_a_pool_stands_for_its_token_where_none_is_named(home: Path) -> None:
    result = export(home, "--pool", FIRST_TOKEN, *SOME_HOURS)
    assert fact(result, "slice").startswith(f"token={FIRST_TOKEN}/res=1m/")
    publication = Lab(home).artifacts.publications(fact(result, "artifact").split()[0])[-1]
    assert (publication.writer.name, publication.params["pool"]) == ("ohlcv-slice-exporter", FIRST_TOKEN)


def test_tokens_whose_candles_contradict_each_other_are_named_after_an_import(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sol.csv"
    rows = [f"{CANDLES_FROM + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},1,1,1,1,5" for n in range(20)]
    file.write_text("\n".join(["ts,open,high,low,close,volume", *rows]) + "\n", encoding="utf-8")
    told = ("--token", FIRST_TOKEN, "--chain", "solana", "--price-unit", "sol", "--volume-unit", "sol")
    result = call_quantlab("ohlcv", "import", file, *told, home=home)
    assert result.exit_code == 0, result.output
    assert "1 left as they were:" in result.stdout
    assert f"solana:{FIRST_TOKEN}: imported files state its price unit as sol" in result.stdout
    refused = export(home, "--token", FIRST_TOKEN, "--from", "2025-05-01T10:00:00Z", "--to", "2025-05-01T12:00:00Z")
    assert (refused.exit_code, "nothing was exported" in refused.stderr) == (1, True)
