"""A copy of a lake, made by another process.

A process that opens and closes a SQLite file by itself loses the locks that its own connections hold on it: another
process then takes the WAL away from under them, and the manifest is damaged ("How To Corrupt An SQLite Database File",
2.2, sqlite.org). `shutil.copytree` does just that.
"""

from __future__ import annotations

import subprocess
from pathlib import Path


def copied_lake(source: Path, target: Path) -> Path:
    """``source`` with all that is in it as ``target``, which must not be there yet."""
    assert not target.exists(), target
    subprocess.run(["cp", "-R", str(source), str(target)], check=True)
    return target
