"""Publishing: what is on disk afterwards, what is found again, what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.artifacts.artifact_identity import artifact_id
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    ArtifactNotFoundError,
    ConflictError,
    InvalidInputError,
    LakeNotFoundError,
    LogicalKeyError,
    QuantlabError,
    SchemaError,
)
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.file_names import SUFFIX_LENGTHS
from quantlab_resources.artifacts.files.parquet_files import decode_in_parts, plain_parquet, to_parquet
from quantlab_resources.artifacts.files.sidecar import MAX_PARAMS_DEPTH
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import (
    START,
    WRITER,
    HandClock,
    candles,
    files_under,
    free_request,
    new_store,
    slice_request,
)


def test_what_was_published_is_read_back_with_the_types_schema(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    result = store.publish(slice_request([3.0, 1.0, 2.0]))
    table = store.read(result.artifact_id)
    assert table.equals(candles([3.0, 1.0, 2.0]))
    assert table.schema.equals(OHLCV_SLICE.schema)
    assert table.schema.metadata == candles([]).schema.metadata


def test_identity_times_and_paths_are_what_the_contract_says(tmp_path: Path) -> None:
    artifact = new_store(tmp_path).publish(slice_request([1.0, 2.0], key="2025-05-02T00:00:00Z")).artifact
    expected = content_hash(candles([1.0, 2.0]), OHLCV_SLICE)
    assert artifact.content_hash == expected
    assert artifact.artifact_id == artifact_id("ohlcv_slice_v2", 3, artifact.logical_key, expected)
    assert artifact.file_hash == "sha256:" + hashlib.sha256(Path(artifact.path_parquet).read_bytes()).hexdigest()
    assert (artifact.row_count, artifact.status) == (2, ArtifactStatus.ACTIVE)
    assert (artifact.min_ts, artifact.max_ts) == ("2025-05-01T00:00:00.000000Z", "2025-05-01T00:01:00.000000Z")
    assert artifact.created_at.startswith("2026-01-01T00:00:")
    hint = f"token={'A' * 44}_res=1m_from=2025-05-01_to=2025-05-02T00:00:00Z"
    name = f"ohlcv_slice_v2__v3__{hint}__ch={expected[5:13]}.parquet"
    assert Path(artifact.path_parquet) == tmp_path / "artifacts" / "ohlcv_slice_v2" / "v3" / name


def test_files_are_read_only_whatever_the_umask_and_nothing_else_is_left(tmp_path: Path) -> None:
    old = os.umask(0o000)
    try:
        artifact = new_store(tmp_path).publish(slice_request([1.0])).artifact
    finally:
        os.umask(old)
    for path in (artifact.path_parquet, artifact.path_sidecar):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o444
        assert Path(path).stat().st_nlink == 1
    assert len(files_under(tmp_path / "artifacts")) == 2


def test_the_sidecar_says_what_it_is_and_where_it_came_from(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    source = store.publish(slice_request([9.0], key="0")).artifact_id
    artifact = store.publish(
        slice_request([1.0], input_artifact_ids=[source], params={"window": 4}, tags={"a": "ü"}, run_id="run-1")
    ).artifact
    sidecar = json.loads(Path(artifact.path_sidecar).read_text(encoding="utf-8"))
    assert sidecar["artifact_id"] == artifact.artifact_id
    assert sidecar["identity"]["content_hash"] == artifact.content_hash
    assert sidecar["identity"]["canonical_cols"] == OHLCV_SLICE.schema.names
    assert sidecar["provenance"] == {
        "writer": {"name": "tests", "version": "1"},
        "git": {"commit": "0" * 40, "dirty": False},
        "run_id": "run-1",
        "params": {"window": 4},
        "inputs": [source],
    }
    assert sidecar["tags"] == {"a": "ü"}
    assert not Path(sidecar["paths"]["parquet"]).is_absolute()


def test_the_parquet_file_is_plain_for_every_reader(tmp_path: Path) -> None:
    path = new_store(tmp_path).publish(slice_request([1.0, 2.0])).artifact.path_parquet
    file = pq.ParquetFile(path)
    assert file.metadata.metadata[b"artifact_type"] == b"ohlcv_slice_v2"
    assert file.metadata.metadata[b"resolution"] == b"x"
    assert b"pandas" not in file.metadata.metadata
    group = file.metadata.row_group(0)
    assert {group.column(i).compression for i in range(8)} == {"ZSTD"}
    has_dictionary = [group.column(i).has_dictionary_page for i in range(8)]
    assert has_dictionary == [True, True, False, False, False, False, False, False]
    assert [column.column_index for column in group.sorting_columns] == [2]
    rows = duckdb.read_parquet(path).project("typeof(ts), close").order("close").fetchall()
    assert rows == [("TIMESTAMP WITH TIME ZONE", 1.0), ("TIMESTAMP WITH TIME ZONE", 2.0)]


def test_the_same_content_gives_the_same_bytes_and_ids_in_another_lake_at_another_time(tmp_path: Path) -> None:
    one = new_store(tmp_path / "one").publish(slice_request([1.0, 2.0])).artifact
    clock = HandClock(START + timedelta(days=400))
    other = ParquetArtifactStore.create(LakePaths.from_environment(tmp_path / "other", {}), clock=clock)
    chunked = pa.concat_tables([candles([1.0, 2.0]).slice(1), candles([1.0])])
    two = other.publish(replace(slice_request([]), data=chunked, run_id="another")).artifact
    assert (one.artifact_id, one.file_hash) == (two.artifact_id, two.file_hash)


def test_equal_content_is_found_again_and_the_publication_is_recorded(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    source = store.publish(slice_request([9.0], key="0")).artifact_id
    first = store.publish(slice_request([1.0], run_id="run-1", tags={"k": "1"}))
    again = store.publish(slice_request([1.0], run_id="run-2", tags={"k": "2"}, input_artifact_ids=[source]))
    assert (first.deduped, first.mode, again.deduped, again.mode) == (False, None, True, "content_hash")
    assert again.artifact == first.artifact
    with store.manifest.reading() as connection:
        runs = list(
            connection.execute("SELECT run_id, deduped FROM publications WHERE run_id IS NOT NULL ORDER BY seq")
        )
        tags = list(connection.execute("SELECT k, v FROM artifact_tags ORDER BY v"))
    assert runs == [("run-1", 0), ("run-2", 1)]
    assert tags == [("k", "1"), ("k", "2")]
    assert [a.artifact_id for a in store.get_lineage(first.artifact_id).inputs] == [source]


def test_one_content_under_two_keys_is_two_artifacts(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    one, other = store.publish(slice_request([1.0], key="1")), store.publish(slice_request([1.0], key="2"))
    assert not other.deduped
    assert one.artifact.content_hash == other.artifact.content_hash
    assert one.artifact.file_hash != other.artifact.file_hash


def test_a_missing_file_is_put_back_by_publishing_its_content_again(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    artifact = store.publish(slice_request([1.0])).artifact
    Path(artifact.path_parquet).unlink()
    with pytest.raises(ArtifactMissingError):
        store.read(artifact.artifact_id)
    assert store.publish(slice_request([1.0])).deduped
    assert store.read(artifact.artifact_id).num_rows == 1


def test_a_damaged_file_is_never_read_and_is_replaced_by_publishing_its_content_again(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    artifact = store.publish(slice_request([1.0])).artifact
    path = Path(artifact.path_parquet)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(ArtifactDamagedError, match="recorded is sha256:"):
        store.read(artifact.artifact_id)
    assert store.publish(slice_request([1.0])).deduped
    assert store.read(artifact.artifact_id).num_rows == 1
    assert (tmp_path / "artifacts/_quarantine/damaged" / f"{artifact.artifact_id}.parquet").read_bytes() == bytes(data)


def test_a_name_that_is_taken_by_other_bytes_gets_a_longer_suffix(tmp_path: Path) -> None:
    other = new_store(tmp_path / "other").publish(slice_request([1.0])).artifact
    store = new_store(tmp_path / "lake")
    taken = store.paths.artifacts_root / Path(other.path_parquet).relative_to(tmp_path / "other" / "artifacts")
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody else's")
    artifact = store.publish(slice_request([1.0])).artifact
    assert f"__ch={artifact.content_hash[5:21]}.parquet" in artifact.path_parquet
    assert taken.read_bytes() == b"somebody else's"
    assert store.read(artifact.artifact_id).num_rows == 1


def test_a_long_key_is_cut_and_hashed_in_the_file_name(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    keys = ["a=" + "x" * 190 + "/b=" + "y" * 190 + last for last in ("1", "2")]
    names = [Path(store.publish(free_request([1], key=key)).artifact.path_parquet).name for key in keys]
    assert [len(name.encode()) for name in names] == [255, 255]
    assert names[0] != names[1]


@pytest.mark.parametrize(
    "key",
    ["../../etc", "a=../b", "a=..", "/abs", "a=b//c=d", "", "a=b/../c", "a\0b", "a b=c", "a=" + "x" * 10_000, "a=b\n"],
)
def test_a_hostile_key_is_refused_and_nothing_is_written(tmp_path: Path, key: str) -> None:
    store = new_store(tmp_path)
    before = files_under(tmp_path)
    with pytest.raises(LogicalKeyError):
        store.publish(free_request([1], key=key))
    with pytest.raises(LogicalKeyError):
        store.publish(replace(slice_request([1.0]), logical_key=key))
    assert files_under(tmp_path) == before


@pytest.mark.parametrize("name", ["../up", "A", "a-b", "", "x" * 65, "a/b", "a;DROP TABLE artifacts"])
def test_a_hostile_type_name_is_refused(tmp_path: Path, name: str) -> None:
    store = new_store(tmp_path)
    with pytest.raises(SchemaError):
        store.publish(free_request([1], type_=name))


def test_a_file_name_hint_never_leaves_the_types_folder(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    artifact = store.publish(free_request([1], filename_hint="../../up")).artifact
    assert Path(artifact.path_parquet).parent == tmp_path / "artifacts" / "outside" / "v1"
    for hint in ("a;b", "a\0", "ü", "a\\b"):
        with pytest.raises(LogicalKeyError):
            store.publish(free_request([2], filename_hint=hint))


def test_what_cannot_be_written_down_as_provenance_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for more in (
        {"params": {"a": object()}},
        {"params": {"a": float("nan")}},
        {"tags": {"a": "\ud800"}},
        {"tags": {"a": 1}},
    ):
        with pytest.raises(InvalidInputError):
            store.publish(free_request([1], **more))
    assert store.publish(free_request([1])).deduped is False


def test_an_unknown_input_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with pytest.raises(ArtifactNotFoundError, match="not found"):
        store.publish(slice_request([1.0], input_artifact_ids=["nobody"]))
    assert files_under(tmp_path / "artifacts") == []


def test_several_outputs_are_published_together_or_not_at_all(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    gone = store.publish(slice_request([5.0], key="gone")).artifact_id
    store.tombstone(gone, reason="wrong")
    with pytest.raises(ConflictError, match="withdrawn"):
        store.publish_many([slice_request([1.0], key="1"), slice_request([5.0], key="gone")])
    assert store.heads("ohlcv_slice_v2") == []
    with pytest.raises(ConflictError, match="different content under this key"):
        store.publish_many([slice_request([1.0]), slice_request([2.0])])
    results = store.publish_many([slice_request([1.0], key="1"), slice_request([5.0], key="2")])
    assert [head.artifact_id for head in store.heads("ohlcv_slice_v2")] == [r.artifact_id for r in results]


def test_very_many_are_published_in_their_order_whatever_is_known_repeated_or_damaged(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    known = store.publish(free_request([3], key="of=3")).artifact
    damaged = Path(store.publish(free_request([4], key="of=4")).artifact.path_parquet)
    damaged.chmod(0o644)
    damaged.write_bytes(b"rotten")
    requests = [free_request([number], key=f"of={number}") for number in [*range(40), 7]]

    results = store.publish_many(requests)

    assert [store.read(result.artifact_id).to_pylist() for result in results] == [
        [{"n": number}] for number in [*range(40), 7]
    ]
    assert {number for number, result in enumerate(results) if result.deduped} == {3, 4, 40}
    assert results[3].artifact_id == known.artifact_id
    assert results[40].artifact_id == results[7].artifact_id
    assert verify(store, deep=True).is_whole


def test_where_one_of_very_many_cannot_be_stored_none_is_published(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    requests = [free_request([number], key=f"of={number}") for number in range(20)]
    taken = new_store(tmp_path / "other").publish(requests[13]).artifact
    for length in SUFFIX_LENGTHS:
        digest = taken.content_hash.partition(":")[2]
        path = tmp_path / "artifacts" / Path(taken.path_parquet).relative_to(tmp_path / "other" / "artifacts")
        path = path.with_name(path.name.replace(digest[: min(SUFFIX_LENGTHS)], digest[:length]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of somebody else")

    with pytest.raises(ConflictError, match="taken by other bytes"):
        store.publish_many(requests)

    assert store.heads("outside") == []
    assert not any((tmp_path / "artifacts" / "_tmp").iterdir())


def test_an_output_can_be_the_input_of_another_of_the_same_call(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    first = slice_request([1.0], key="1")
    first_id = artifact_id("ohlcv_slice_v2", 3, first.logical_key, content_hash(candles([1.0]), OHLCV_SLICE))
    second = slice_request([2.0], key="2", input_artifact_ids=[first_id])
    results = store.publish_many([second, first])
    assert [a.artifact_id for a in store.get_lineage(results[0].artifact_id).inputs] == [results[1].artifact_id]


def test_files_from_outside_are_published_from_their_path(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    csv = tmp_path / "in.csv"
    csv.write_text("n,name\n2,b\n1,a\n", encoding="utf-8")
    result = store.publish(replace(free_request([]), data=csv))
    assert store.read(result.artifact_id).to_pylist() == [{"n": 2, "name": "b"}, {"n": 1, "name": "a"}]
    exported = Path(store.publish(slice_request([1.0])).artifact.path_parquet)
    again = store.publish(replace(slice_request([]), data=exported))
    assert (again.deduped, again.mode) == (True, "file_hash")
    garbage = tmp_path / "bad.parquet"
    garbage.write_bytes(b"PAR1 no PAR1")
    with pytest.raises(InvalidInputError, match=r"bad\.parquet"):
        store.publish(replace(free_request([]), data=garbage))


def test_a_small_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    rows, text = 400_000, "x" * 65_536
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    bomb = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"t": column}), bomb)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(InvalidInputError, match="would take 26214400000 bytes"):
        new_store(tmp_path / "lake").publish(replace(free_request([]), data=bomb))


def test_a_bomb_is_refused_before_a_part_of_it_is_spread_out_and_so_are_parts_that_are_too_much_together() -> None:
    rows, text = 40_000, "x" * 65_536
    bomb = plain_parquet(
        pa.table({"t": pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))})
    )
    with pytest.raises(InvalidInputError, match="would take 1073741824 bytes"):
        next(decode_in_parts(bomb, origin="a bomb", max_bytes=2**30 - 1))
    harmless = plain_parquet(pa.table({"t": ["x" * 10] * 40_000}))
    assert sum(part.num_rows for part in decode_in_parts(harmless, origin="no bomb", max_bytes=600_000)) == 40_000
    with pytest.raises(InvalidInputError, match="would take .* more than the 500000 allowed"):
        list(decode_in_parts(harmless, origin="too much", max_bytes=500_000))


def test_a_table_read_in_parts_is_the_whole_table_and_of_a_damaged_one_no_part_is_read(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    artifact = store.publish(free_request(list(range(40_000)))).artifact
    parts = list(store.read_in_parts(artifact.artifact_id))
    assert [part.num_rows for part in parts] == [16_384, 16_384, 7_232]
    assert pa.concat_tables(parts).equals(store.read(artifact.artifact_id), check_metadata=True)
    path = Path(artifact.path_parquet)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactDamagedError, match="is damaged"):
        next(store.read_in_parts(artifact.artifact_id))
    path.unlink()
    with pytest.raises(ArtifactMissingError, match="is gone"):
        next(store.read_in_parts(artifact.artifact_id))


def test_a_clock_that_goes_backwards_changes_no_identity_and_no_head(tmp_path: Path) -> None:
    store = ParquetArtifactStore.create(
        LakePaths.from_environment(tmp_path, {}), clock=HandClock(step=timedelta(seconds=-10))
    )
    old, new = store.publish(slice_request([1.0])), store.publish(slice_request([2.0]))
    assert new.artifact.created_at < old.artifact.created_at
    assert [head.artifact_id for head in store.heads("ohlcv_slice_v2")] == [new.artifact_id]


def test_a_missing_lake_is_named_with_the_remedy_and_not_made(tmp_path: Path) -> None:
    store = ParquetArtifactStore(LakePaths.from_environment(tmp_path / "none", {}), clock=HandClock())
    for use in (lambda: store.heads("x"), lambda: store.publish(free_request([1])), lambda: store.read("x")):
        with pytest.raises(LakeNotFoundError, match=r"not found.*quantlab demo.*quantlab lake init"):
            use()
    assert not store.is_available()
    assert not (tmp_path / "none").exists()


def test_making_a_lake_again_changes_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    artifact = store.publish(slice_request([1.0])).artifact
    assert store.manifest.create() == []
    assert new_store(tmp_path).get_artifact(artifact.artifact_id) == artifact


def test_a_lake_can_be_moved(tmp_path: Path) -> None:
    store = new_store(tmp_path / "old")
    known = store.publish(slice_request([1.0])).artifact_id
    store.close()
    (tmp_path / "old").rename(tmp_path / "new")
    moved = ParquetArtifactStore(LakePaths.from_environment(tmp_path / "new", {}), clock=HandClock())
    assert moved.read(known).num_rows == 1
    assert Path(moved.get_artifact(known).path_parquet).is_relative_to(tmp_path / "new")


def test_the_bytes_hold_nothing_of_the_run() -> None:
    data = to_parquet(candles([1.0]), OHLCV_SLICE, "key")
    assert data == to_parquet(candles([1.0]), OHLCV_SLICE, "key")
    assert WRITER.git_commit.encode() not in data


def test_every_refusal_is_one_line(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for use in (lambda: store.read("no\nsuch"), lambda: store.publish(free_request([1], key="a\nb"))):
        with pytest.raises(QuantlabError) as refusal:
            use()
        assert "\n" not in str(refusal.value)


def test_what_could_not_be_read_back_from_the_events_is_not_taken(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    deep: Any = 1
    for _ in range(MAX_PARAMS_DEPTH):
        deep = [deep]
    store.publish(free_request([1], params={"wide": [{}] * 1_000, "a": deep[0]}))
    with pytest.raises(InvalidInputError, match="params are nested deeper than 100 levels; flatten them"):
        store.publish(free_request([2], params={"a": deep}))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"writer": replace(WRITER, name="\ud800")}, "must be JSON in UTF-8"),
        ({"writer": replace(WRITER, git_commit=None)}, "writer, run, reason and inputs must be text"),
        ({"writer": replace(WRITER, git_dirty=None)}, "git_dirty must be true or false"),
        ({"run_id": ["run"]}, "writer, run, reason and inputs must be text"),
        ({"input_artifact_ids": [None]}, "writer, run, reason and inputs must be text"),
    ],
)
def test_provenance_that_is_no_text_is_refused_by_name_before_anything_is_written(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    store = new_store(tmp_path / "lake")
    with pytest.raises(InvalidInputError, match=words):
        store.publish(replace(free_request([1]), **more))
    assert files_under(store.paths.artifacts_root) == []


def test_a_column_may_be_named_as_parquet_names_the_values_of_a_list(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    table = pa.table({"a": [["x", "x"]], "a.list.element": ["y"]})
    made = store.publish(replace(free_request([1]), data=table)).artifact_id
    assert store.read(made).schema.types == [pa.list_(pa.field("element", pa.string())), pa.string()]
    assert store.read(made).to_pydict() == table.to_pydict()


@pytest.mark.parametrize("microseconds", [2**62, -(2**62), 253_402_300_800_000_000])
def test_a_time_that_no_calendar_has_is_refused_by_name(tmp_path: Path, microseconds: int) -> None:
    store = new_store(tmp_path / "lake")
    request = slice_request([1.0])
    assert isinstance(request.data, pa.Table)
    times = pa.array([microseconds], pa.timestamp("us", "UTC"))
    index = request.data.schema.get_field_index("ts")
    table = request.data.set_column(index, request.data.schema.field(index), times)
    with pytest.raises(SchemaError, match="column 'ts' holds a time before year 1 or after 9999"):
        store.publish(replace(request, data=table))
    assert files_under(store.paths.artifacts_root) == []


def test_a_sidecar_that_is_there_already_is_shared_only_when_it_is_whole(tmp_path: Path) -> None:
    """It may be an orphan of a crash: damaged, it would become the sidecar of what is published now."""
    made = new_store(tmp_path / "other").publish(free_request([1])).artifact
    sidecar = Path(made.path_sidecar).read_bytes()
    store = new_store(tmp_path / "lake")
    place = store.paths.artifacts_root / "outside" / "v1" / Path(made.path_sidecar).name
    place.parent.mkdir(parents=True)
    place.write_bytes(sidecar.replace(b'"created_at"', b'"created_on"'))
    published = store.publish(free_request([1])).artifact
    assert published.path_sidecar != str(place)
    assert verify(store, deep=True).is_whole
