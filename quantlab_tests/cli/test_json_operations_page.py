"""docs/json-operations.md: every request on the page works as it stands there, and every operation has one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from quantlab_cli import experiment_operations
from quantlab_cli.artifact_operations import OPERATIONS
from quantlab_resources.lab import Lab
from quantlab_tests.cli import response_schemas as schemas
from quantlab_tests.cli.json_callers import ROOT, SCRIPT, Client, call
from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.copied_lake import copied_lake

PAGE = ROOT / "docs" / "json-operations.md"
REQUEST = re.compile(r"^### (\w+)\n\n```json request\n(.+?)\n```$", re.MULTILINE | re.DOTALL)
EXPERIMENT_SCRIPT = SCRIPT.with_name("experiment_tracker_ops.py")
ARTIFACTS, EXPERIMENTS = PAGE.read_text(encoding="utf-8").split("\n## Experiments\n")
SCHEMAS: dict[str, TypeAdapter[Any]] = {
    "publish_artifact": schemas.PUBLISH_RESULT,
    "get_artifact": schemas.ARTIFACT,
    "get_artifacts_batch": schemas.BATCH,
    "list_artifacts": schemas.ARTIFACTS,
    "find_by_logical_key": schemas.ARTIFACTS,
    "get_lineage": schemas.LINEAGE,
    "get_downstream": schemas.ARTIFACTS,
    "supersede": schemas.SUCCESS,
    "tombstone": schemas.SUCCESS,
    "health_check": schemas.HEALTH,
    "create_experiment": schemas.EXPERIMENT,
    "get_experiment": schemas.EXPERIMENT,
    "list_experiments": schemas.EXPERIMENTS,
    "find_by_input_artifacts": schemas.EXPERIMENTS,
    "update_status": schemas.SUCCESS,
    "store_results": schemas.SUCCESS,
}


def requests(page: str) -> list[tuple[str, str]]:
    """Heading and request of every example, in the order of the page."""
    return REQUEST.findall(page)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands for the words in capitals; the requests change this lake one after the other."""
    folder = tmp_path_factory.mktemp("page")
    client = Client.of(folder / "lake")
    ids = []
    for number in range(2):
        data = folder / f"{number}.csv"
        data.write_text(f"a\n{number}\n", encoding="utf-8")
        ids.append(client.publish(data, logical_key=("test/key", "test/other")[number])["artifactId"])
    data = folder / "data.csv"
    data.write_text("a,b\n1,x\n", encoding="utf-8")
    return {"MANIFEST": str(client.manifest_db), "DATA": str(data), "ID": ids[0], "OTHER": ids[1]}


def test_every_operation_has_its_example() -> None:
    for part, operations in ((ARTIFACTS, OPERATIONS), (EXPERIMENTS, experiment_operations.OPERATIONS)):
        assert sorted(name for name, _ in requests(part)) == sorted(operations)


@pytest.mark.parametrize(("name", "text"), requests(ARTIFACTS))
def test_the_request_on_the_page_is_answered(names: dict[str, str], name: str, text: str) -> None:
    request = json.loads(re.sub(r'"(MANIFEST|DATA|ID|OTHER)"', lambda word: json.dumps(names[word[1]]), text))
    assert request["operation"] == name
    result = call(request).result
    SCHEMAS[name].validate_python(result)
    assert result, "an example should show something"


@pytest.fixture(scope="module")
def experiment_names(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("page") / "lake"
    copied_lake(small_lake.home, home)
    store = Lab(home).artifacts
    ids = {
        "ALERTS": store.heads("artifact_set", "of=alerts/")[0],
        "CANDLES": store.heads("artifact_set", "of=candles/")[0],
        "TRADES": store.heads("experiment_trades")[0],
        "METRICS": store.heads("experiment_metrics")[0],
    }
    named = {word: artifact.artifact_id for word, artifact in ids.items()}
    return named | {"INDEX": str(home / "data" / "experiments.duckdb")}


@pytest.mark.parametrize(("name", "text"), requests(EXPERIMENTS))
def test_the_request_about_experiments_on_the_page_is_answered(
    experiment_names: dict[str, str], name: str, text: str
) -> None:
    words = "|".join(experiment_names)
    request = json.loads(re.sub(rf'"({words})"', lambda word: json.dumps(experiment_names[word[1]]), text))
    assert request["operation"] == name
    result = call(request, command=(sys.executable, EXPERIMENT_SCRIPT)).result
    SCHEMAS[name].validate_python(result)
    assert result, "an example should show something"


def test_the_experiment_on_the_page_is_one() -> None:
    (text,) = re.findall(r"^```json experiment\n(.+?)\n```$", EXPERIMENTS, re.MULTILINE | re.DOTALL)
    schemas.EXPERIMENT.validate_json(text)


def test_the_artifact_on_the_page_has_the_fields_of_one() -> None:
    (text,) = re.findall(r"^```json\n(.+?)\n```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert set(schemas.ARTIFACT.validate_json(text).model_dump()) == set(json.loads(text))


def test_the_shim_on_the_page_works(names: dict[str, str], tmp_path: Path) -> None:
    (text,) = re.findall(r"^```python\n(.+?)\n```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len([line for line in text.splitlines() if line]) == 2
    shim = tmp_path / "artifact_store_ops.py"
    shim.write_text(text.replace("/path/to/quantlab/quantlab_cli/artifact_store_ops.py", str(SCRIPT)), encoding="utf-8")
    request = {"operation": "health_check", "manifest_db": names["MANIFEST"]}
    assert call(request, command=(sys.executable, shim), cwd=tmp_path).result == {"available": True}


def test_an_example_without_an_operation_is_noticed() -> None:
    assert requests("### levitate\n\n```json request\n{}\n```") == [("levitate", "{}")]
