"""The JSON operations as a program of another language meets them: by starting the script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest
from pydantic import TypeAdapter, ValidationError

from quantlab_cli.artifact_operations import OPERATIONS, answer
from quantlab_resources.artifacts.manifest.manifest_schema import MIGRATIONS
from quantlab_tests.cli import response_schemas as schemas
from quantlab_tests.cli.json_callers import SCRIPT, Client, call
from quantlab_tests.cli.small_lake import call_quantlab
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake


class Lake:
    """``child`` was made from ``parent``; ``old`` was superseded by ``new`` under one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "lake"
        self.client = Client.of(self.home)
        self.parent = self.publish("parent.csv", "a,b\n1,x\n", logical_key="test/parent", tags={"batch": "first"})
        self.child = self.publish("child.csv", "a\n2\n", logical_key="test/child", input_artifact_ids=[self.parent])
        self.old = self.publish("old.csv", "a\n3\n", logical_key="test/twice")
        self.new = self.publish("new.csv", "a\n4\n", logical_key="test/twice")

    def publish(self, name: str, text: str, **fields: Any) -> str:
        result = self.client.publish(self.csv(name, text), **fields)
        schemas.PUBLISH_RESULT.validate_python(result)
        return str(result["artifactId"])

    def csv(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def get(self, artifact_id: str) -> dict[str, Any]:
        return dict(self.client.call("get_artifact", artifact_id=artifact_id).result)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Tests add artifacts under keys of their own and change nothing that is there."""
    return Lake(tmp_path_factory.mktemp("ops"))


def test_a_published_artifact_comes_back_as_the_client_expects_it(lake: Lake) -> None:
    found = lake.get(lake.parent)
    schemas.ARTIFACT.validate_python(found)
    assert set(found) == set(schemas.Artifact.model_fields)
    assert (found["logicalKey"], found["status"], found["rowCount"]) == ("test/parent", "active", 1)
    assert found["minTs"] is None
    assert Path(found["pathParquet"]).is_absolute()
    assert Path(found["pathParquet"]).is_file()
    assert Path(found["pathSidecar"]).is_file()


def test_a_new_artifact_answers_with_exactly_its_id_and_paths(lake: Lake) -> None:
    result = call(lake.client.publication(lake.csv("exact.csv", "a\n5\n"), logical_key="test/exact")).result
    assert set(result) == {"success", "deduped", "artifactId", "pathParquet", "pathSidecar"}
    found = lake.get(result["artifactId"])
    assert (result["success"], result["deduped"]) == (True, False)
    assert (found["pathParquet"], found["pathSidecar"]) == (result["pathParquet"], result["pathSidecar"])


def test_the_same_content_is_deduplicated_by_content_and_the_same_bytes_by_bytes(lake: Lake) -> None:
    by_content = call(lake.client.publication(lake.folder / "parent.csv", logical_key="test/parent")).result
    assert by_content == {
        "success": True, "deduped": True, "mode": "content_hash", "existingArtifactId": lake.parent,
    }  # fmt: skip
    stored = Path(lake.get(lake.parent)["pathParquet"])
    by_bytes = lake.client.publish(stored, logical_key="test/parent")
    assert by_bytes == by_content | {"mode": "file_hash"}
    schemas.PUBLISH_RESULT.validate_python(by_bytes)


def test_optional_fields_may_be_left_out_or_null(lake: Lake) -> None:
    request = lake.client.publication(lake.csv("short.csv", "a\n6\n"), logical_key="test/short")
    for name in ("tags", "input_artifact_ids", "params", "manifest_sql", "artifacts_root"):
        del request[name]
    assert answer(request)["deduped"] is False
    assert answer(request | {"filename_hint": None, "params": None})["deduped"] is True


def test_a_field_is_understood_in_snake_case_and_in_camel_case(lake: Lake) -> None:
    path = lake.csv("camel.csv", "a\n7\n")
    snake = lake.client.publication(
        path, logical_key="test/camel", input_artifact_ids=[lake.parent], filename_hint="named", tags={"k_v": "x"}
    )
    camel = {_camel(name): value for name, value in snake.items()}
    assert "inputArtifactIds" in camel
    first, second = call(camel).result, answer(snake)
    assert second["existingArtifactId"] == first["artifactId"]
    assert "__named__" in first["pathParquet"]
    found = [
        answer({"operation": "get_artifact", spelling: str(lake.client.manifest_db), id_name: lake.parent})
        for spelling in ("manifest_db", "manifestDb", "db_path", "dbPath")
        for id_name in ("artifact_id", "artifactId")
    ]
    assert len({json.dumps(answer) for answer in found}) == 1
    lists = [
        lake.client.call("list_artifacts", filter=given).result
        for given in (
            {"artifactType": "test_artifact", "minCreatedAt": "2001-01-01", "maxCreatedAt": "2999-12-31"},
            {"artifact_type": "test_artifact", "min_created_at": "2001-01-01", "max_created_at": "2999-12-31"},
        )
    ]
    assert lists[0] == lists[1] != []


def test_one_field_under_two_names_with_two_values_is_refused(lake: Lake) -> None:
    error = lake.client.call("get_artifact", artifact_id=lake.parent, artifactId=lake.child).error
    assert "artifact_id and artifactId" in error["error"]
    assert lake.client.call("get_artifact", artifact_id=lake.parent, artifactId=lake.parent).status == 0


def test_the_environment_names_the_lake_where_the_request_does_not(lake: Lake, tmp_path: Path) -> None:
    request = {"operation": "get_artifact", "artifact_id": lake.parent}
    by_home = call(request, environment={"QUANTLAB_HOME": str(lake.home)})
    by_parts = call(
        request,
        environment={
            "ARTIFACT_MANIFEST_DB": str(lake.client.manifest_db),
            "ARTIFACTS_ROOT": str(lake.client.artifacts_root),
        },
    )
    assert by_home.result == by_parts.result == lake.get(lake.parent)
    assert call(request, cwd=tmp_path).error["type"] == "LakeNotFoundError"


def test_where_only_the_manifest_is_named_the_artifacts_are_beside_its_folder(lake: Lake, tmp_path: Path) -> None:
    elsewhere = {"ARTIFACT_MANIFEST_DB": str(tmp_path / "other.sqlite"), "ARTIFACTS_ROOT": str(tmp_path / "other")}
    request = {"operation": "get_artifact", "artifact_id": lake.parent, "db_path": str(lake.client.manifest_db)}
    assert call(request, environment=elsewhere).result == lake.get(lake.parent)
    same = {"ARTIFACT_MANIFEST_DB": str(lake.client.manifest_db), "ARTIFACTS_ROOT": str(tmp_path / "moved")}
    assert call(request, environment=same).result["pathParquet"].startswith(str(tmp_path / "moved"))
    named = call(request | {"artifactsRoot": str(tmp_path / "named")}, environment=same).result
    assert named["pathParquet"].startswith(str(tmp_path / "named"))


def test_a_batch_keeps_the_order_of_the_ids_and_has_null_where_one_is_missing(lake: Lake) -> None:
    ids = [lake.child, "no such id", lake.parent, lake.child]
    found = lake.client.call("get_artifacts_batch", artifact_ids=ids).result
    schemas.BATCH.validate_python(found)
    assert [None if artifact is None else artifact["artifactId"] for artifact in found] == [
        lake.child, None, lake.parent, lake.child,
    ]  # fmt: skip
    assert lake.client.call("get_artifacts_batch", artifactIds=[]).result == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tags": {"batch": "first"}}, {"parent"}),
        ({"tags": {"batch": "second"}}, set()),
        ({"status": "superseded"}, {"old"}),
        ({"status": "superseded", "artifactType": "other_type"}, set()),
        ({"maxCreatedAt": "2001-01-01"}, set()),
        ({"status": "superseded", "artifactType": "", "minCreatedAt": "", "limit": None}, {"old"}),
        ({"limit": 0}, set()),
    ],
)
def test_a_filter_narrows_the_list(lake: Lake, given: dict[str, Any], expected: set[str]) -> None:
    found = lake.client.call("list_artifacts", filter=given).result
    schemas.ARTIFACTS.validate_python(found)
    assert {artifact["artifactId"] for artifact in found} == {getattr(lake, name) for name in expected}


def test_a_list_is_an_array_of_the_newest_and_says_on_request_whether_it_was_cut(lake: Lake) -> None:
    whole = lake.client.call("list_artifacts").result
    assert isinstance(whole, list)
    created = [artifact["createdAt"] for artifact in whole]
    assert created == sorted(created, reverse=True)
    cut = lake.client.call("list_artifacts", filter={"limit": 2}, with_cut_flag=True).result
    assert cut == {"artifacts": whole[:2], "isCut": True}
    assert lake.client.call("list_artifacts", withCutFlag=True).result == {"artifacts": whole, "isCut": False}


def test_everything_ever_published_under_a_key_is_found_newest_first(lake: Lake) -> None:
    found = lake.client.call("find_by_logical_key", artifact_type="test_artifact", logical_key="test/twice").result
    schemas.ARTIFACTS.validate_python(found)
    assert [(item["artifactId"], item["status"]) for item in found] == [
        (lake.new, "active"),
        (lake.old, "superseded"),
    ]
    assert lake.client.call("find_by_logical_key", artifact_type="test_artifact", logical_key="none").result == []


def test_lineage_and_downstream_go_one_step_unless_asked_for_more(lake: Lake) -> None:
    grandchild = lake.publish("gc.csv", "a\n8\n", logical_key="test/grandchild", input_artifact_ids=[lake.child])
    near = lake.client.call("get_lineage", artifact_id=grandchild).result
    schemas.LINEAGE.validate_python(near)
    assert (near["artifactId"], near["depth"]) == (grandchild, 1)
    assert near["inputs"] == [lake.get(lake.child)]
    for depth in (2, 10**9, "all"):
        far = lake.client.call("get_lineage", artifact_id=grandchild, depth=depth).result
        assert [artifact["artifactId"] for artifact in far["inputs"]] == [lake.child, lake.parent]
        assert far["depth"] == 2
    made = lake.client.call("get_downstream", artifact_id=lake.child).result
    schemas.ARTIFACTS.validate_python(made)
    assert [artifact["artifactId"] for artifact in made] == [grandchild]
    all_made = lake.client.call("get_downstream", artifact_id=lake.parent, depth="all").result
    assert {lake.child, grandchild} <= {artifact["artifactId"] for artifact in all_made}


def test_supersede_and_tombstone_change_where_an_artifact_stands(lake: Lake) -> None:
    first = lake.publish("first.csv", "a\n9\n", logical_key="test/first-key")
    second = lake.publish("second.csv", "a\n10\n", logical_key="test/second-key")
    done = lake.client.call("supersede", new_artifact_id=second, old_artifact_id=first)
    schemas.SUCCESS.validate_python(done.result)
    assert done.result == {"success": True}
    assert lake.get(first)["status"] == "superseded"
    again = lake.client.call("supersede", new_artifact_id=second, old_artifact_id=first, reason="again").error
    assert (again["type"], again["operation"]) == ("SupersedeError", "supersede")
    assert lake.client.call("tombstone", artifact_id=second, reason="a test").result == {"success": True}
    assert lake.get(second)["status"] == "tombstoned"
    refused = call(lake.client.publication(lake.folder / "second.csv", logical_key="test/second-key")).error
    assert refused["type"] == "ConflictError"
    revived = lake.client.publish(lake.folder / "second.csv", logical_key="test/second-key", revive=True)
    assert revived["existingArtifactId"] == second
    assert lake.get(second)["status"] == "active"


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("get_artifact", {"artifact_id": "nobody"}),
        ("get_lineage", {"artifact_id": "nobody"}),
        ("get_downstream", {"artifact_id": "nobody"}),
        ("supersede", {"new_artifact_id": "nobody", "old_artifact_id": "nobody else"}),
        ("tombstone", {"artifact_id": "nobody", "reason": "x"}),
    ],
)
def test_an_unknown_id_is_not_found(lake: Lake, operation: str, fields: dict[str, Any]) -> None:
    error = lake.client.call(operation, **fields).error
    assert "not found" in error["error"]
    assert "nobody" in error["error"]
    assert (error["type"], error["operation"]) == ("ArtifactNotFoundError", operation)


def test_an_unknown_input_is_not_found_and_nothing_is_published(lake: Lake) -> None:
    request = lake.client.publication(
        lake.csv("orphan.csv", "a\n11\n"), logical_key="test/orphan", input_artifact_ids=["nobody"]
    )
    assert "not found" in call(request).error["error"]
    assert (
        lake.client.call("find_by_logical_key", artifact_type="test_artifact", logical_key="test/orphan").result == []
    )


def test_health_is_an_answer_also_when_it_is_bad(lake: Lake, tmp_path: Path) -> None:
    assert lake.client.call("health_check").result == {"available": True}
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    earlier = earlier_manifest(tmp_path / "manifest" / "manifest.sqlite")
    for manifest in (tmp_path / "none.sqlite", damaged, earlier, tmp_path):
        health = call({"operation": "health_check", "manifest_db": str(manifest)}).result
        schemas.HEALTH.validate_python(health)
        assert set(health) == {"available", "error"}
        assert health["available"] is False
        assert str(manifest) in health["error"]
        error = call({"operation": "get_artifact", "manifest_db": str(manifest), "artifact_id": "x"}).error
        assert str(manifest) in error["error"]


def earlier_manifest(path: Path) -> Path:
    """A manifest of the earlier store that was not adopted."""
    path.parent.mkdir(parents=True)
    connection = apsw.Connection(str(path))
    connection.execute(MIGRATIONS[0].sql)
    connection.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (1, '2025-01-01T00:00:00.000Z')")
    connection.close()
    return path


def test_publishing_into_a_lake_that_was_not_adopted_is_refused_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    client = Client.of(tmp_path)
    earlier = earlier_manifest(client.manifest_db)
    before = earlier.read_bytes()
    data = tmp_path / "data.csv"
    data.write_text("a\n1\n", encoding="utf-8")
    assert call(client.publication(data)).error["operation"] == "publish_artifact"
    assert earlier.read_bytes() == before


def test_an_adopted_lake_answers_in_the_same_way_with_the_paths_of_this_machine(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, recorded_root="/gone/artifacts", minutes=10)
    assert call_quantlab("lake", "adopt", tmp_path, home=tmp_path).exit_code == 0
    client = Client.of(tmp_path)
    assert client.call("health_check").result == {"available": True}
    found = client.call("list_artifacts").result
    schemas.ARTIFACTS.validate_python(found)
    assert {artifact["artifactId"]: (Path(artifact["pathParquet"]), artifact["contentHash"]) for artifact in found} == {
        known.artifact_id: (known.parquet, known.content_hash) for known in earlier.published
    }
    second_era = client.call("list_artifacts", filter={"artifactType": "alerts_v1", "tags": {"era": "two"}}).result
    assert len(second_era) == 3
    events = next(known for known in earlier.published if known.artifact_type == "alerts_event_v1")
    made = client.call("get_downstream", artifact_id=events.artifact_id).result
    assert [artifact["artifactType"] for artifact in made] == ["alerts_v1"]
    lineage = client.call("get_lineage", artifact_id=made[0]["artifactId"]).result
    schemas.LINEAGE.validate_python(lineage)
    assert [artifact["artifactId"] for artifact in lineage["inputs"]] == [events.artifact_id]
    again = {"artifact_type": events.artifact_type, "schema_version": events.schema_version}
    known = client.publish(events.parquet, logical_key=events.logical_key, **again)
    assert (known["deduped"], known["existingArtifactId"]) == (True, events.artifact_id)


def test_publishers_that_meet_where_there_is_no_lake_make_one_together(tmp_path: Path) -> None:
    client = Client.of(tmp_path / "new")
    files = []
    for number in range(4):
        files.append(tmp_path / f"{number}.csv")
        files[-1].write_text(f"a\n{number}\n", encoding="utf-8")

    def publish(number: int) -> Any:
        return call(client.publication(files[number], logical_key=f"test/{number}")).result

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(publish, range(4)))
    assert all(result["deduped"] is False for result in results)
    assert len(client.call("list_artifacts").result) == 4


def test_the_operations_are_those_of_the_requirement_and_three_more() -> None:
    assert set(OPERATIONS) == {
        "get_artifact", "list_artifacts", "find_by_logical_key", "publish_artifact", "get_lineage", "get_downstream",
        "supersede", "health_check", "get_artifacts_batch", "tombstone",
    }  # fmt: skip


def test_it_runs_as_a_module_too(lake: Lake) -> None:
    request = {"operation": "get_artifact", "manifest_db": str(lake.client.manifest_db), "artifact_id": lake.parent}
    by_module = call(request, command=(sys.executable, "-m", "quantlab_cli.artifact_store_ops"), cwd=SCRIPT.parents[1])
    assert by_module.result == lake.get(lake.parent)


def test_an_answer_that_nobody_takes_is_an_error_and_no_traceback(lake: Lake) -> None:
    read, write = os.pipe()
    os.close(read)
    request = {"operation": "list_artifacts", "manifest_db": str(lake.client.manifest_db)}
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, str(SCRIPT)],
            input=json.dumps(request).encode(),
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert json.loads(done.stderr)["type"] == "StorageError"


@pytest.mark.parametrize(
    ("schema", "response"),
    [
        (schemas.PUBLISH_RESULT, {"success": True, "deduped": True, "existingArtifactId": None}),
        (schemas.PUBLISH_RESULT, {"success": True, "deduped": True, "mode": "guess"}),
        (schemas.ARTIFACTS, {"artifacts": []}),
        (schemas.LINEAGE, {"artifactId": "x", "inputs": [], "depth": "1"}),
        (schemas.HEALTH, {"available": "yes"}),
    ],
)
def test_the_schemas_refuse_what_the_client_would_refuse(schema: TypeAdapter[Any], response: Any) -> None:
    with pytest.raises(ValidationError):
        schema.validate_python(response)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
