"""A process that keeps Arrow small imports no pandas by itself, and gets pandas' tables when it asks for them."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
import pyarrow as pa
from quantlab_resources.arrow_memory import keep_arrow_small

if {is_kept_small}:
    keep_arrow_small()
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
