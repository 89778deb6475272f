"""JSON requests that are wrong, strange or meant to do harm: one JSON error each, and a lake as it was before."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_cli.artifact_operations import OPERATIONS
from quantlab_cli.json_program import MAX_DEPTH, MAX_REQUEST_BYTES, respond
from quantlab_tests.cli.json_callers import Answer, Client, call

SQL = "x' OR '1'='1'; DROP TABLE artifacts; --"
LONG = "k" * 10_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("hostile")
    client = Client.of(folder / "lake")
    client.publish(good_file(folder))
    return client


def good_file(folder: Path) -> Path:
    path = folder / "good.csv"
    path.write_text("a,b\n1,x\n", encoding="utf-8")
    return path


def ask(request: Any) -> Answer:
    """The answer that the script would write, from this process."""
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    status, document = respond(data, "quantlab_cli.artifact_operations")
    text = document.decode("ascii")
    return Answer(status, "", text) if status else Answer(status, text, "")


def contents(client: Client) -> set[str]:
    request = {"operation": "list_artifacts", "manifest_db": str(client.manifest_db), "filter": {"limit": 10_000}}
    return {artifact["artifactId"] for artifact in ask(request).result}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"operation": "health_check"} {}', "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"health_check"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "needs operation"),
        (b'{"operation": 5}', "operation must be text"),
        (b'{"operation": null}', "needs operation"),
        (b'{"operation": "drop_everything"}', "unknown operation"),
        (b'{"operation": "__class__"}', "unknown operation"),
        (b'{"operation": "health_check", "x": NaN}', "not finite"),
        (b'{"operation": "health_check", "x": [-Infinity]}', "not finite"),
        (b'{"operation": "health_check", "x": 1e999}', "not finite"),
        (b'{"operation": "health_check", "x": "\\ud800"}', "not Unicode"),
        (b'{"operation": "health_check", "\\udfff": 1}', "not Unicode"),
        (b'{"operation": "health_check", "x": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b'{"operation": "health_check", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested deeper"),
        (b'{"operation": "health_check", "x": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested deeper"),
        (b'{"operation": "' + b"x" * MAX_REQUEST_BYTES + b'"}', "longer than"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_one_json_error(data: bytes, reason: str) -> None:
    error = ask(data).error
    assert reason in error["error"]
    assert error["type"] == "InvalidInputError"


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b'{"operation": "nope"}', b"[" * 200_000, b'{"x": "' + b"x" * MAX_REQUEST_BYTES + b'"}'],
)
def test_the_script_itself_answers_so(data: bytes) -> None:
    assert call(data).error["type"] == "InvalidInputError"


NO_TEXT: list[Any] = [5, 1.5, True, ["x"], {"id": "x"}]
NO_DEPTH: list[Any] = [0, -1, 1.5, "2", True, [1], "ALL", 10**30]
NO_KEY: list[Any] = ["../../x", "/etc/passwd", "a//b", "..", "", LONG, SQL, "a b", "a\nb", "k=" + "v" * 300, {"a": 1}]


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        *(("get_artifact", {"artifact_id": value}) for value in [*NO_TEXT, None]),
        *(("find_by_logical_key", {"artifact_type": value, "logical_key": "x"}) for value in NO_TEXT),
        ("get_artifact", {}),
        ("find_by_logical_key", {"artifact_type": "x"}),
        ("supersede", {"new_artifact_id": "x"}),
        ("tombstone", {"artifact_id": "x"}),
        ("tombstone", {"artifact_id": "x", "reason": 7}),
        *(("get_artifacts_batch", {"artifact_ids": value}) for value in ["x", [1], [None], [["x"]], {"a": "b"}, 5]),
        *(("get_lineage", {"artifact_id": "x", "depth": depth}) for depth in NO_DEPTH),
        *(("list_artifacts", {"filter": value}) for value in ["x", [], 5, True]),
        *(
            ("list_artifacts", {"filter": value})
            for value in [
                {"limit": -1}, {"limit": 2.0}, {"limit": "5"}, {"limit": True}, {"limit": 10**6}, {"limit": 10**30},
                {"limit": [5]}, {"status": "fine"}, {"status": 5}, {"artifactType": 5}, {"tags": ["a"]},
                {"tags": {"a": 5}}, {"tags": {"a": None}}, {"tags": "a=b"}, {"minCreatedAt": "yesterday"},
                {"minCreatedAt": "2025-05-01T00:00:00"}, {"maxCreatedAt": 1746057600}, {"maxCreatedAt": LONG},
                {"artefactType": "alerts_v1"}, {SQL: "x"}, {"artifactType": "a", "artifact_type": "b"},
            ]
        ),
        ("list_artifacts", {"with_cut_flag": "yes"}),
        ("health_check", {"manifest_db": 5}),
        ("health_check", {"manifest_db": ""}),
        ("health_check", {"manifest_db": "a\0b"}),
        ("health_check", {"artifacts_root": ["x"]}),
    ],
)  # fmt: skip
def test_fields_of_another_type_are_refused_by_name(client: Client, operation: str, fields: dict[str, Any]) -> None:
    error = ask({"operation": operation, "manifest_db": str(client.manifest_db)} | fields).error
    assert (error["type"], error["operation"]) == ("InvalidInputError", operation)
    assert len(error["error"]) < 1_000


@pytest.mark.parametrize("value", [SQL, "../../etc/passwd", "%", "\x00", "\x1b[31m", "žluťoučký 🐎", LONG, " ", "*"])
def test_strange_text_is_only_text(client: Client, value: str) -> None:
    before = contents(client)
    manifest = {"manifest_db": str(client.manifest_db)}
    for given_filter in ({"artifactType": value}, {"tags": {value: value}}):
        assert ask({"operation": "list_artifacts", **manifest, "filter": given_filter}).result == []
    assert (
        ask({"operation": "find_by_logical_key", **manifest, "artifact_type": value, "logical_key": value}).result == []
    )
    assert ask({"operation": "get_artifacts_batch", **manifest, "artifact_ids": [value]}).result == [None]
    for operation in ("get_artifact", "get_lineage", "get_downstream"):
        error = ask({"operation": operation, **manifest, "artifact_id": value}).error
        assert "not found" in error["error"]
    assert contents(client) == before


@pytest.mark.parametrize(
    "fields",
    [
        *({"artifact_type": value} for value in ["../../x", "a/b", "_quarantine", "", "X", SQL, LONG, "a\0", 5, None]),
        *({"schema_version": value} for value in ["1", 1.0, True, 0, -1, 10**9, 2**63, 10**30, None, [1]]),
        *(
            {"logical_key": value}
            for value in NO_KEY
        ),
        *({"filename_hint": value} for value in ["a\0b", "a\nb", SQL, "ž", 5]),
        *({"data_path": value} for value in ["", "a\0b", 5, None, ["x"], LONG, "/dev/zero", "/dev/null", "/", "."]),
        *({"tags": value} for value in [["a"], {"a": 1}, {"a": None}, {"a": ["b"]}, "a=b"]),
        *({"input_artifact_ids": value} for value in ["x", [1], [None], ["nobody"], [SQL], {"a": 1}]),
        *({"params": value} for value in ["x", [1], 5]),
        *({"writer_name": value} for value in [5, None, ["x"]]),
        *({"git_dirty": value} for value in ["false", 0, None]),
        {"git_commit": None},
        {"writer_version": 1},
        {"revive": "no"},
        {"artifactType": "another_type"},
    ],
)  # fmt: skip
def test_a_publication_that_cannot_be_is_refused_whole(client: Client, tmp_path: Path, fields: dict[str, Any]) -> None:
    before = contents(client), stored_files(client)
    request = client.publication(good_file(tmp_path), logical_key="test/refused") | fields
    error = ask(request).error
    assert error["operation"] == "publish_artifact"
    assert error["type"] in REFUSALS
    assert (contents(client), stored_files(client)) == before


def test_a_hint_that_looks_like_a_path_is_only_part_of_a_file_name(client: Client, tmp_path: Path) -> None:
    request = client.publication(good_file(tmp_path), logical_key="test/hint", filename_hint="../../../x")
    stored = Path(ask(request).result["pathParquet"])
    assert stored.parent == client.artifacts_root / "test_artifact" / "v1"


REFUSALS = {
    "InvalidInputError", "LogicalKeyError", "SchemaError", "ArtifactNotFoundError", "NotFoundError", "StorageError",
}  # fmt: skip


def stored_files(client: Client) -> set[Path]:
    return {path for path in client.artifacts_root.rglob("*") if path.is_file()}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def growing(path: Path) -> None:
    path.symlink_to("/proc/self/status")  # says that it is empty, and is not


def bomb(path: Path) -> None:
    """A Parquet file of a few KiB that says one long text 50,000 times: 5 GB when it is spread out."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"a": column}), path, compression="zstd")


def truncated(path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    path.write_bytes(path.read_bytes()[:-20])


def lying(path: Path) -> None:
    """A footer that is longer than the file."""
    pq.write_table(pa.table({"a": [1]}), path)
    data = path.read_bytes()
    path.write_bytes(data[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pipe.csv", pipe),
        ("loop.csv", loop),
        ("growing.csv", growing),
        ("bomb.parquet", bomb),
        ("truncated.parquet", truncated),
        ("lying.parquet", lying),
        ("missing.csv", None),
        ("no_table.txt", b"hello"),
        ("empty.csv", b""),
        ("empty.parquet", b""),
        ("ragged.csv", b"a,b\n1\n1,2,3\n"),
    ],
)
def test_data_that_is_no_table_is_refused(client: Client, tmp_path: Path, name: str, content: Any) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content(path)
    before = contents(client), stored_files(client)
    error = ask(client.publication(path, logical_key="test/no-table")).error
    assert error["type"] in REFUSALS
    assert str(path) in error["error"]
    assert (contents(client), stored_files(client)) == before


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b'a,b\n1,"x,y"\n2,"say ""hi"""\n', [{"a": 1, "b": "x,y"}, {"a": 2, "b": 'say "hi"'}]),
        (b'a,b\r\n1,"two\r\nlines"\r\n', [{"a": 1, "b": "two\r\nlines"}]),
        (b"\xef\xbb\xbfa,b\n1,x\n", [{"a": 1, "b": "x"}]),
        ("a,b\n1,žluťoučký 🐎\n".encode(), [{"a": 1, "b": "žluťoučký 🐎"}]),
        (b"a,b\n", []),
    ],
)
def test_unusual_csv_is_read_as_it_stands(client: Client, tmp_path: Path, text: bytes, rows: list[Any]) -> None:
    path = tmp_path / "unusual.csv"
    path.write_bytes(text)
    result = ask(client.publication(path, logical_key=f"test/unusual-{len(text)}")).result
    assert pq.read_table(result["pathParquet"]).to_pylist() == rows


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "artifact_id", "artifactId", "artifact_ids", "filter", "artifact_type", "logical_key", "depth", "new_artifact_id",
    "old_artifact_id", "reason", "with_cut_flag", "schema_version", "data_path", "tags", "input_artifact_ids",
    "writer_name", "writer_version", "git_commit", "git_dirty", "params", "filename_hint", "revive",
)  # fmt: skip
FILTERS = st.dictionaries(
    st.sampled_from(["artifactType", "status", "tags", "minCreatedAt", "max_created_at", "limit"]), JSON_VALUES
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    operation=st.sampled_from(sorted(OPERATIONS)),
    fields=st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=6),
    given_filter=FILTERS,
)
def test_no_request_whatever_gives_anything_but_an_answer_or_a_named_error(
    client: Client, operation: str, fields: dict[str, Any], given_filter: dict[str, Any]
) -> None:
    before = contents(client)
    request = {"filter": given_filter} | fields | {"operation": operation, "manifest_db": str(client.manifest_db)}
    answer = ask(request)
    if answer.status:
        assert answer.error["type"] in REFUSALS
        assert not answer.error["error"].startswith("unexpected")
    assert contents(client) == before


@settings(max_examples=60, deadline=None, derandomize=True)
@given(changed=st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, min_size=1, max_size=3))
def test_a_publication_with_fields_changed_at_random_is_published_or_refused_by_name(
    client: Client, changed: dict[str, Any]
) -> None:
    path = client.manifest_db.parents[2] / "good.csv"
    answer = ask(client.publication(path) | changed)
    if answer.status:
        assert answer.error["type"] in REFUSALS | {"ConflictError"}
        assert not answer.error["error"].startswith("unexpected")
    else:
        assert answer.result["success"] is True


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps(text)[:-1].encode()))
def test_bytes_that_are_no_request_are_one_json_error(data: bytes) -> None:
    assert ask(data).error["type"] == "InvalidInputError"
