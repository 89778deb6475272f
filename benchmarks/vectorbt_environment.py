"""vectorbt in an environment of its own: made when it is first asked for, kept in the user's cache, never in ours.

vectorbt wants other versions than the project does. Where it cannot be installed the peer is left out, and said so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

REQUIREMENT = "vectorbt==1.2.0"
FOLDER = Path.home() / ".cache" / "quantlab-benchmarks" / REQUIREMENT.replace("==", "-")
_PEER = Path(__file__).with_name("vectorbt_peer.py")


def vectorbt_answer(given: dict[str, npt.NDArray[Any]], folder: Path) -> dict[str, Any] | None:
    """What `vectorbt_peer` says of ``given``, or None, said on standard error, where vectorbt is not to be had."""
    try:
        python = _environment()
        path = folder / "vectorbt_input.npz"
        np.savez(path, **given)
        answer = subprocess.run([str(python), str(_PEER), str(path)], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        print(f"vectorbt is left out: {reason}", file=sys.stderr)
        return None
    answered: dict[str, Any] = json.loads(answer.stdout)
    return answered


def _environment() -> Path:
    python = FOLDER / "bin" / "python"
    if not (FOLDER / "complete").exists():
        venv.create(FOLDER, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]
        subprocess.run(pip, capture_output=True, text=True, check=True)
        (FOLDER / "complete").touch()
    return python
