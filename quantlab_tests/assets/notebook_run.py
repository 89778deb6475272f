"""Running the example notebook as a reader would, in a kernel of its own.

``python -m quantlab_tests.assets.notebook_run`` runs it on a demo lake in a temporary folder and stores its outputs.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from quantlab_assets.workflows.demo import run_demo
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_resources.lab import Lab

NOTEBOOK = Path(__file__).parents[2] / "docs" / "research.ipynb"
_SECONDS = 300


def stored() -> NotebookNode:
    """The notebook as it is in the repository."""
    return nbformat.read(NOTEBOOK, as_version=4)


def executed(home: Path, scratch: Path) -> NotebookNode:
    """The notebook with the outputs that it has on the lake ``home``; what its kernel keeps goes to ``scratch``.

    Raises nbclient's CellExecutionError when a cell fails.
    """
    notebook = stored()
    folders = {name: str(scratch / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR")}
    with patch.dict(os.environ, {"QUANTLAB_HOME": str(home), **folders}):
        client = NotebookClient(
            notebook, timeout=_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(scratch)}}
        )
        client.execute()
    return without_traces(notebook)


def without_traces(notebook: NotebookNode) -> NotebookNode:
    """Without what differs between runs and machines: times, versions, editors' state."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def main() -> None:
    """Run the notebook and write it back with its outputs."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        home, scratch = Path(folder) / "lake", Path(folder) / "scratch"
        scratch.mkdir()
        run_demo(LakeRuns(Lab.create(home), instance))
        nbformat.write(executed(home, scratch), NOTEBOOK)


if __name__ == "__main__":
    main()
