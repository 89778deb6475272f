"""A process that keeps Arrow small imports no pandas by itself, and gets pandas' tables when it asks for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import sys
from quantlab_resources.arrow_memory import keep_arrow_small

if {is_kept_small}:
    keep_arrow_small()
import pyarrow as pa
values = pa.chunked_array([pa.array([1, 2]), pa.array([None], pa.int64())])
values.to_numpy()
pa.array(["a"]), pa.array([(1,)], pa.list_(pa.int64()))
print("pandas" in sys.modules)
frame = pa.table({{"a": values}}).to_pandas()
print(frame["a"].sum(), pa.Table.from_pandas(frame)["a"].null_count, len(sys.meta_path))
"""


def _said(*, is_kept_small: bool) -> list[str]:
    program = _PROGRAM.format(is_kept_small=is_kept_small)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_arrow_imports_pandas_only_when_it_is_asked_for_and_gives_the_same_then() -> None:
    kept_small, usual = _said(is_kept_small=True), _said(is_kept_small=False)
    assert (kept_small[0], usual[0]) == ("False", "True")
    assert kept_small[1:] == usual[1:] == ["3.0", "1", usual[3]]


_FREEING = """
import os
from quantlab_resources.arrow_memory import keep_arrow_small

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

keep_arrow_small()
import pyarrow as pa
import pyarrow.compute as pc
pc.cumulative_sum(pa.nulls(10, pa.int64()))
before = resident()
columns = [pa.array(range(number, number + 4_096)) for number in range(1_000)]
held = resident() - before
del columns
print(held, resident() - before)
"""


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Arrow is told how to keep memory on Linux only")


@on_linux
def test_memory_that_is_freed_goes_back_at_once() -> None:
    said = subprocess.run([sys.executable, "-c", _FREEING], capture_output=True, text=True, check=True).stdout.split()
    held, kept = map(int, said)
    assert held > 30_000_000
    assert kept < held / 5


@on_linux
def test_ingesting_settles_arrows_memory_before_arrow_is_imported(tmp_path: Path) -> None:
    program = """
import os, sys
from quantlab_cli.main import main
try:
    main()
finally:
    print(os.environ.get("JE_ARROW_MALLOC_CONF"), "pyarrow" in sys.modules)
"""
    line = [sys.executable, "-c", program, "alerts", "ingest", "missing.json"]
    environment = {"PATH": os.environ["PATH"], "QUANTLAB_HOME": str(tmp_path / "lake")}
    said = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert said.stdout.split() == ["dirty_decay_ms:0,muzzy_decay_ms:0", "True"], said.stderr
