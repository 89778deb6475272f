"""The example notebook runs on the demo lake, and the outputs that a reader of the repository sees are its own."""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode, validate

from quantlab_tests.assets.demo_lake import DemoLake
from quantlab_tests.assets.notebook_run import NOTEBOOK, executed, stored, without_traces

REMEDY = "stale: run `python -m quantlab_tests.assets.notebook_run`"


@pytest.fixture(scope="module")
def notebook(demo_lake: DemoLake, tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Run by a kernel of its own, where no file of the repository is near."""
    return executed(demo_lake.lab.paths.home, tmp_path_factory.mktemp("kernel"))


def outputs(notebook: NotebookNode) -> dict[str, list[dict[str, Any]]]:
    """What each cell shows; of a picture its size, since fonts and their rendering differ between machines."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            content = dict(output.get("data") or {output["name"]: output["text"]})
            if "image/png" in content:
                content["image/png"] = struct.unpack(">2I", b64decode(content["image/png"])[16:24])
            shown.setdefault(cell.id, []).append(content)
    return shown


def test_every_cell_runs_and_the_outputs_in_the_repository_are_those_of_the_demo_lake(notebook: NotebookNode) -> None:
    found = outputs(notebook)
    assert found == outputs(stored()), REMEDY
    assert {"calls", "coverage", "plot", "resample", "callers"} <= set(found)
    assert "prices equal: True; volumes differ by less than 1e-12: True" in found["resample"][0]["stdout"]


def test_what_is_stored_names_no_machine_no_time_and_nothing_that_went_wrong() -> None:
    text = NOTEBOOK.read_text("utf-8")
    notebook = stored()
    validate(notebook)
    assert not re.search(r"/(home|root|tmp|work|usr|Users|opt)/|site-packages|\\\\Users", text)
    assert not any("stderr" in content for contents in outputs(notebook).values() for content in contents)
    kept = stored()
    assert without_traces(notebook) == kept, REMEDY
    assert len(text) < 200_000
    assert [cell.execution_count for cell in kept.cells if cell.cell_type == "code"] == [
        *range(1, 1 + sum(cell.cell_type == "code" for cell in kept.cells))
    ]


def test_every_page_that_it_points_to_is_there() -> None:
    pages = re.findall(r"\]\(([^)#]+\.md)\)", NOTEBOOK.read_text("utf-8"))
    assert pages
    assert [page for page in pages if not (NOTEBOOK.parent / Path(page)).is_file()] == []
