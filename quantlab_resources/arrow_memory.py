"""How Arrow holds memory in a process that runs assets: it gives freed memory back, and imports no pandas by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import ModuleType

_READ_WHEN_ARROW_LOADS = {
    "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
    # Arrow's functions set this for memory that is asked for later; what the first arena holds it keeps for a second.
    "JE_ARROW_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",
}


def keep_arrow_small() -> None:
    """Save what Arrow would hold beyond its tables: a fifth of the memory that an export of a million messages takes.

    Memory comes from jemalloc where Arrow was built with it, and what is freed goes back at once; Arrow's usual
    allocator keeps it for a while. Where pyarrow is imported already, what its own functions ask for first still does
    that.

    And Arrow asks twice in a process whether there is pandas, by importing it (35 MiB, 0.5 s), to recognise pandas'
    objects among what it is given. It is told no. Who asks Arrow for a pandas table, or imports pandas, gets it all the
    same; where pandas is imported already nothing is changed.
    """
    if "pyarrow" not in sys.modules and sys.platform == "linux":  # elsewhere it may lack jemalloc, and would say so
        for name, value in _READ_WHEN_ARROW_LOADS.items():
            os.environ.setdefault(name, value)
    import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.jemalloc_set_decay_ms(0)
    if "pandas" not in sys.modules:
        refuser = _RefusesPandas()
        sys.meta_path.insert(0, refuser)
        try:
            pa.array([0]).to_numpy()  # asks in Python, and in C++
        finally:
            sys.meta_path.remove(refuser)


class _RefusesPandas:
    """A finder of modules by which pandas is not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(f"no module named {name!r} for Arrow", name=name)
