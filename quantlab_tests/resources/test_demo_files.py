"""The demo world on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantlab_core.demo.demo_world import demo_world
from quantlab_core.errors import StorageError
from quantlab_resources.demo_files import write_demo_files


def test_the_files_hold_the_whole_world(tmp_path: Path) -> None:
    world = demo_world()
    files = write_demo_files(world, tmp_path / "new" / "folder")
    assert json.loads(files.export.read_text(encoding="utf-8")) == world.export
    solana, evm = (pq.read_table(path) for path in files.candles)
    assert set(solana["chain"].to_pylist()) == {"solana"}
    assert set(evm["chain"].to_pylist()) == {"base", "bsc", "ethereum"}
    together = pa.concat_tables([evm, solana]).sort_by(
        [(name, "ascending") for name in ("chain", "token_address", "timestamp")]
    )
    assert together.equals(world.candles)


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_demo_files(demo_world(), tmp_path)
    before = [path.read_bytes() for path in (first.export, *first.candles)]
    again = write_demo_files(demo_world(), tmp_path)
    assert again == first
    assert [path.read_bytes() for path in (again.export, *again.candles)] == before
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (first.export, *first.candles)}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(StorageError, match="taken"):
        write_demo_files(demo_world(), tmp_path / "taken")
