"""What tells one candle source from another, and files from other files; no database is asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, IMPORTED_CANDLES
from quantlab_resources.lab import Lab

STATED = {"resolution": "1m", "source": "file", "source_spans": "[]", "price_unit": "usd", "volume_unit": "usd"}


def fingerprint(monkeypatch: pytest.MonkeyPatch, home: Path, candles: object = "") -> str:
    monkeypatch.setenv("QUANTLAB_CANDLES", str(candles))
    return Lab(home).candle_source.fingerprint()


def publish(home: Path, file: str) -> None:
    table = with_attributes(CANDLE_SCHEMA.empty_table(), STATED)
    writer = Writer("test", "1", "0" * 40, False)
    Lab(home).artifacts.publish(PublishRequest(IMPORTED_CANDLES.name, 1, f"file={file}", table, writer))


def test_imported_files_have_another_one_after_another_import_and_after_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Lab(tmp_path).make_lake()
    found = [fingerprint(monkeypatch, tmp_path)]
    for file in ("a" * 64, "a" * 64, "b" * 64):
        publish(tmp_path, file)
        found.append(fingerprint(monkeypatch, tmp_path))
    assert found[1] == found[2]
    assert len(set(found)) == 3


def test_a_folder_has_another_one_when_a_file_came_and_another_folder_has_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    for name, files in (("one", "a"), ("one", "a"), ("one", "ab"), ("other", "ab")):
        for file in files:
            path = tmp_path / name / f"{file}.csv"
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                path.write_text("ts,open,high,low,close,volume\n")
        found.append(fingerprint(monkeypatch, tmp_path / "lake", tmp_path / name))
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert all(text.startswith("folder ") for text in found)


def test_databases_are_told_apart_by_address_and_table_which_are_not_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "clickhouse.yaml"
    config.write_text("table: my_candles\n")
    addresses = ("clickhouse://me@nowhere.invalid:1/a", "clickhouse://me@nowhere.invalid:1/b", "chdb:///nowhere")
    addresses += ("chdb:///nowhere?database=b",)
    found = [fingerprint(monkeypatch, tmp_path / "lake", address) for address in addresses]
    monkeypatch.setenv("QUANTLAB_CLICKHOUSE_CONFIG", str(config))
    found.append(fingerprint(monkeypatch, tmp_path / "lake", addresses[0]))
    assert len(set(found)) == 5
    assert not [text for text in found if "nowhere" in text or not text.startswith("clickhouse ")]
