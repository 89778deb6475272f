"""How a lake stands: counted, compared with its files, and told as far as a damaged manifest allows."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from quantlab_core.errors import LakeNotFoundError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.lake_status import lake_status
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import free_request, new_store, slice_request


def test_a_status_counts_and_finds_every_file_where_it_should_be(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.publish(slice_request([1.0, 2.0]))
    first = store.publish(free_request([1, 2, 3])).artifact_id
    store.publish(free_request([4], input_artifact_ids=[first]))
    status = lake_status(store)
    assert status.problem is None
    assert status.manifest is not None
    assert status.files is not None
    assert status.stale is not None
    by_type = {one.artifact_type: one for one in status.manifest.types}
    outside, slices = by_type["outside"], by_type["ohlcv_slice_v2"]
    assert (outside.active, outside.superseded, outside.heads, outside.rows) == (1, 1, 1, 4)
    assert (slices.first_ts or "").startswith("2025-05-01T00:00")
    assert (slices.last_ts or "").startswith("2025-05-01T00:01")
    assert (status.files.registered, status.files.is_whole, status.files.orphans) == (6, True, 0)
    assert dict(status.stale.artifacts) == {"outside": 1}
    assert (status.verification, status.staging_files, status.quarantined, status.manifest.not_adopted) == (
        None,
        0,
        0,
        0,
    )
    (disk,) = status.disks
    assert disk.byte_size == sum(part.byte_size for part in status.parts)
    assert 0 < disk.free < disk.total


def test_missing_cut_and_unknown_files_are_counted_without_reading_them(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    paths = [Path(store.publish(free_request([number], f"of={number}")).artifact.path_parquet) for number in range(3)]
    paths[0].unlink()
    paths[1].chmod(0o644)
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    (paths[2].parent / "nobody.parquet").write_bytes(b"x")
    store.paths.staging.mkdir(exist_ok=True)
    (store.paths.staging / "half").write_bytes(b"x")
    store.paths.quarantine.mkdir()
    (store.paths.quarantine / "bad").write_bytes(b"x")
    status = lake_status(store)
    assert status.files is not None
    assert (status.files.missing, status.files.of_other_size, status.files.orphans) == (1, 1, 1)
    root = store.paths.artifacts_root
    assert set(status.files.examples) == {str(path.relative_to(root)) for path in paths[:2]}
    assert (status.staging_files, status.quarantined) == (1, 1)


def test_rows_of_the_earlier_stores_writer_are_counted_and_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    name = "alerts_v1/v1/old.parquet"
    (store.paths.artifacts_root / name).parent.mkdir(parents=True)
    (store.paths.artifacts_root / name).write_bytes(b"x")
    with apsw.Connection(str(store.manifest.path)) as connection:
        connection.execute(
            "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, path_parquet,"
            " path_sidecar, file_hash, content_hash, row_count) VALUES ('x', 'alerts_v1', 1, 'k', ?, ?, 'x', 'x', 1)",
            (f"/gone/artifacts/{name}", "/gone/artifacts/alerts_v1/v1/../../../etc/passwd"),
        )
    status = lake_status(store)
    assert status.manifest is not None
    assert status.files is not None
    assert status.manifest.not_adopted == 1
    assert (status.files.registered, status.files.missing, status.files.orphans) == (2, 1, 0)


def test_a_damaged_manifest_hides_rows_but_not_sizes_and_says_what_to_run(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.publish(free_request([1]))
    store.close()
    whole = lake_status(store)
    store.close()
    for path in store.manifest.path.parent.glob("manifest.sqlite*"):
        path.write_bytes(b"no database " * 1_000)
    status = lake_status(store)
    assert (status.manifest, status.files, status.stale) == (None, None, None)
    assert "`quantlab lake rebuild-manifest`" in (status.problem or "")
    sizes = {part.name: part.byte_size for part in status.parts}
    assert sizes["artifacts"] == {part.name: part.byte_size for part in whole.parts}["artifacts"] > 0


def test_where_there_is_no_lake_there_is_no_status(tmp_path: Path) -> None:
    store = ParquetArtifactStore(LakePaths.from_environment(tmp_path / "none", {}), clock=SystemClock())
    with pytest.raises(LakeNotFoundError):
        lake_status(store)
