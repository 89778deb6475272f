"""Files that were made to hurt: every one is refused in one line that names it, and the lake stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantlab_core.artifacts.artifact import ArtifactFilter, PublishRequest
from quantlab_core.errors import QuantlabError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.faults.lake_view import flaws, lake_view, store_at
from quantlab_tests.faults.store_paths import make_lake
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request

DEEP = 100_000


def written(path: Path, table: pa.Table) -> bytes:
    pq.write_table(table, path)
    return path.read_bytes()


def nested(depth: int) -> pa.Table:
    value, type_ = None, pa.int64()
    for _ in range(depth):
        type_ = pa.list_(type_)
    return pa.table({"n": pa.array([value], type_)})


def with_footer_length(data: bytes, length: int) -> bytes:
    return data[:-8] + length.to_bytes(4, "little") + b"PAR1"


def plain(path: Path) -> bytes:
    return written(path, pa.table({"n": list(range(10_000))}))


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "nothing": lambda path: b"",
    "magic alone": lambda path: b"PAR1PAR1",
    "wrong magic": lambda path: b"PAR2" + plain(path)[4:-4] + b"PAR2",
    "encrypted footer": lambda path: plain(path)[:-4] + b"PARE",
    "footer longer than the file": lambda path: with_footer_length(plain(path), 2**31 - 1),
    "footer of no bytes": lambda path: with_footer_length(plain(path), 0),
    "footer of zeroes": lambda path: plain(path)[:-1008] + bytes(1000) + plain(path)[-8:],
    "cut in the middle": lambda path: plain(path)[: len(plain(path)) // 2],
    "pages of noise": lambda path: plain(path)[:4] + b"\xff" * 2_000 + plain(path)[2_004:],
    "pages of zeroes": lambda path: plain(path)[:4] + bytes(2_000) + plain(path)[2_004:],
    "two columns of one name": lambda path: written(path, pa.table([[1], [2]], names=["n", "n"])),
    "lists in lists, 90 deep": lambda path: written(path, nested(90)),
    "a struct": lambda path: written(path, pa.table({"n": [{"a": 1}]})),
    "deep JSON": lambda path: b"[" * DEEP,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line_and_changes_nothing(tmp_path: Path, name: str) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    before = lake_view(home)
    path = tmp_path / "hostile.parquet"
    path.write_bytes(HOSTILE[name](tmp_path / "made.parquet"))
    store = store_at(home)
    with pytest.raises(QuantlabError) as refusal:
        store.publish(PublishRequest("outside", 1, "of=hostile", path, WRITER))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 1_000
    store.close()
    assert lake_view(home) == before
    assert flaws(home) == []


def test_an_honest_file_is_accepted_by_the_same_door(tmp_path: Path) -> None:
    """The negative control: it is the harm that is refused, not the file."""
    home = tmp_path / "lake"
    make_lake(home)
    path = tmp_path / "honest.parquet"
    plain(path)
    store = store_at(home)
    assert store.publish(PublishRequest("outside", 1, "of=honest", path, WRITER)).artifact.row_count == 10_000
    store.close()


def test_a_file_that_claims_another_identity_is_what_the_request_says(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    forged = {"artifact_type": "alerts_v1", "schema_version": "9", "logical_key": "day=2020-01-01/chain=solana"}
    path = tmp_path / "forged.parquet"
    written(path, pa.table({"n": [7]}).replace_schema_metadata(forged))
    store = store_at(home)
    artifact = store.publish(PublishRequest("outside", 1, "of=forged", path, WRITER)).artifact
    honest = store.publish(free_request([7], key="of=forged"))
    assert (artifact.artifact_type, artifact.logical_key) == ("outside", "of=forged")
    assert honest.deduped
    footer = pq.read_metadata(artifact.path_parquet).metadata
    assert (footer[b"artifact_type"], footer[b"logical_key"]) == (b"outside", b"of=forged")
    assert store.heads("alerts_v1") == []
    store.close()
    assert flaws(home) == []


@pytest.mark.parametrize(
    "body",
    [b"[" * DEEP, b'{"a":' * DEEP, b"", b"\xff\xfe", b"null", b"[]", b'{"identity": []}', b"1" * 1_000_000, b'"x'],
    ids=["deep list", "deep object", "nothing", "no text", "null", "list", "wrong shape", "huge number", "cut"],
)
def test_a_sidecar_or_an_event_that_was_made_to_hurt_is_found_and_stops_nothing_else(
    tmp_path: Path, body: bytes
) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    store = store_at(home)
    artifact = store.heads("outside")[0]
    sidecar, event = Path(artifact.path_sidecar), store.paths.events / "000000000001.json"
    for path in (sidecar, event):
        path.chmod(0o644)
        path.write_bytes(body)
    problems = verify(store, deep=True).problems
    assert {problem.path for problem in problems} == {str(sidecar), str(event)}
    assert all("\n" not in problem.detail and len(problem.detail) < 1_000 for problem in problems)
    assert store.read(artifact.artifact_id).num_rows == 1
    assert store.publish(free_request([5], key="of=b")).artifact.row_count == 1
    store.close()


HOSTILE_TEXTS = [
    "'; DROP TABLE artifacts; --",
    "\x00",
    "%",
    "_",
    "a" * 10_000,
    "\u202e",
    "../../etc",
    "\ud7ff",
    "' OR 1=1",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_text_that_looks_like_sql_is_text_in_tags_params_columns_and_questions(tmp_path: Path, text: str) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    store = store_at(home)
    request = PublishRequest(
        "outside", 1, "of=hostile", pa.table({f"c {text}": [text]}), WRITER, tags={text: text}, params={text: text}
    )
    artifact_id = published_or_refused(store, request)
    listed = store.list_artifacts(ArtifactFilter(tags={text: text})).artifacts
    assert [artifact.artifact_id for artifact in listed] == ([artifact_id] if artifact_id else [])
    if artifact_id:
        assert store.read(artifact_id).to_pydict() == {f"c {text}": [text]}
        sidecar = json.loads(Path(store.get_artifact(artifact_id).path_sidecar).read_bytes())
        assert sidecar["tags"] == {text: text}
    assert store.find_by_logical_key(text, text) == []
    assert store.heads(text) == []
    assert store.get_artifacts([text]) == [None]
    store.close()
    assert flaws(home) == []


def published_or_refused(store: ParquetArtifactStore, request: PublishRequest) -> str | None:
    try:
        return store.publish(request).artifact_id
    except QuantlabError:
        return None
