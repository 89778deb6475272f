#!/usr/bin/env python3
"""The experiment tracker for programs in other languages: one JSON object on stdin, the result on stdout.

Run it as ``python3 …/quantlab_cli/experiment_tracker_ops.py``, from any folder and with any Python from 3.11 on, or as
``python -m quantlab_cli.experiment_tracker_ops``. What it answers is in docs/json-operations.md.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Entry point of the script."""
    script = Path(__file__).resolve()
    # Started by its path, a script is found in its own folder: the packages are one folder up.
    sys.path[:] = [str(script.parents[1]), *(entry for entry in sys.path if entry != str(script.parent))]
    from quantlab_cli.json_program import run

    run(script, "quantlab_cli.experiment_operations")


if __name__ == "__main__":
    main()
