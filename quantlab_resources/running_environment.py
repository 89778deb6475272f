"""The Python that runs, what is installed in it, and the settings that could make two runs differ."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path

from quantlab_core.code_provenance import DeterminismSettings, EnvironmentIdentity

THREAD_LIMITS = (
    "ARROW_IO_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
_ROUNDINGS = {0: "toward zero", 1: "to nearest", 2: "toward +infinity", 3: "toward -infinity"}
_BINARY64 = (2, 53, 1024)


def environment_identity(lock_file: Path | None) -> EnvironmentIdentity:
    """The identity of this environment; ``lock_file`` is what it should have been made from."""
    return EnvironmentIdentity(
        python_version=platform.python_version(),
        platform=f"{sys.platform}-{platform.machine()}",
        lock_hash=None if lock_file is None else _hash_of(lock_file),
        distributions_hash=distributions_hash(tuple(sys.path)),
    )


@lru_cache(maxsize=4)
def distributions_hash(path: tuple[str, ...]) -> str:
    """SHA-256 over the sorted ``name==version`` lines of what is installed along ``path``.

    Names are compared as packaging does; of one that is there twice the first counts, which is the one imported.
    """
    versions: dict[str, str] = {}
    for distribution in distributions(path=list(path)):
        name = distribution.metadata["Name"]
        if name:
            versions.setdefault(name.lower().replace("_", "-").replace(".", "-"), distribution.version)
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def determinism_settings() -> DeterminismSettings:
    """The settings of this process and machine."""
    info = sys.float_info
    is_binary64 = (info.radix, info.mant_dig, info.max_exp) == _BINARY64
    rounding = _ROUNDINGS.get(info.rounds, "unknown rounding")
    return DeterminismSettings(
        float_mode=f"{'binary64' if is_binary64 else f'{info.mant_dig} digits to base {info.radix}'}, {rounding}",
        byte_order=sys.byteorder,
        hash_seed=os.environ.get("PYTHONHASHSEED") or "random",
        cpu_count=os.cpu_count() or 1,
        threads={name: os.environ[name] for name in THREAD_LIMITS if os.environ.get(name)},
    )


def _hash_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
