"""Several projections and several lakes in one cache folder: none touches what is another's."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from quantlab_core.errors import ConflictError, ProjectionNotFoundError
from quantlab_core.projections.projection_builder import ProjectionForm, ProjectionRequest
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.projections.small_lake import SmallLake, lake_at

FORMS: tuple[ProjectionForm, ...] = ("duckdb", "dataset")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "shared"


@pytest.fixture
def other(tmp_path: Path) -> SmallLake:
    return lake_at(tmp_path / "other")


def build(lake: SmallLake, cache: Path, form: ProjectionForm = "duckdb", closes: int = 1) -> Path:
    candles = lake.candles("TokenA", [1.0] * closes)
    request = ProjectionRequest("research", {"ohlcv": [candles.artifact_id]}, cache_dir=str(cache), form=form)
    return Path(lake.builder.build(request).duckdb_path)


def unfinished(cache: Path, projection_id: str) -> list[Path]:
    """What killed builds of the projection would leave, as files and as folders."""
    names = [f".{projection_id}.{ending}" for ending in ("4242.building", "4243.building", f"{7:016x}.dataset")]
    files = [cache / names[0], cache / f"{names[0]}.wal", cache / f".{projection_id}.4242.link"]
    for path in files:
        path.write_bytes(b"half")
    folders = [cache / name for name in names[1:]]
    for path in folders:
        (path / "bucket=1").mkdir(parents=True)
    return files + folders


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("built", "neighbour"), [("exp", "exp.v2"), ("exp.v2", "exp"), ("exp", "exp.4242")])
def test_a_build_clears_away_what_its_own_dead_builds_left_and_nothing_of_an_id_that_looks_alike(
    lake: SmallLake, form: ProjectionForm, built: str, neighbour: str
) -> None:
    tables = {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}
    kept = Path(lake.builder.build(ProjectionRequest(neighbour, tables, form="dataset")).duckdb_path)
    mine, foreign = unfinished(lake.cache, built), unfinished(lake.cache, neighbour)
    lake.builder.build(ProjectionRequest(built, tables, form=form))
    assert [path for path in mine if path.exists()] == []
    assert [path for path in foreign if not path.exists()] == []
    assert len(list(kept.rglob("*.parquet"))) == 1
    assert lake.builder.exists(neighbour)


@pytest.mark.parametrize("form", FORMS)
def test_a_projection_of_another_lake_is_neither_replaced_nor_read_nor_deleted(
    lake: SmallLake, other: SmallLake, shared: Path, form: ProjectionForm
) -> None:
    path = build(lake, shared, form)
    before = lake.builder.get("research")
    with pytest.raises(ConflictError, match="is a projection of the lake of") as refused:
        build(other, shared, form, closes=2)
    assert str(lake.store.paths.manifest_db) in str(refused.value)
    assert not other.builder.exists("research")
    with pytest.raises(ProjectionNotFoundError):
        other.builder.get("research")
    assert lake.builder.rebuild("research") == before
    lake.builder.dispose("research")
    assert build(other, shared, form, closes=2) == path
    for operation in (lake.builder.rebuild, lake.builder.refresh, lake.builder.dispose, lake.builder.open):
        with pytest.raises(ConflictError, match="is a projection of the lake of"):
            operation("research")
    assert not lake.builder.exists("research")
    (state,) = lake.builder.states()
    assert (state.is_there, state.byte_size) == (False, 0)
    assert lake.builder.evict(0, apply=True).evicted == ()
    assert other.builder.exists("research")
    assert build(lake, lake.cache, form) != path
    assert other.builder.rebuild("research").total_rows == 2


def test_the_default_cache_may_be_shared_too(lake: SmallLake, tmp_path: Path) -> None:
    other = lake_at(tmp_path / "other", cache=lake.cache)
    lake.builder.build(ProjectionRequest("research", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    assert other.builder.list() == []
    with pytest.raises(ConflictError, match="is a projection of the lake of"):
        other.builder.dispose("research")
    assert lake.builder.exists("research")


def test_a_lake_that_was_moved_keeps_its_projections(lake: SmallLake, shared: Path, tmp_path: Path) -> None:
    lake.builder.build(ProjectionRequest("own", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    build(lake, shared)
    lake.store.close()
    lake.store.paths.home.rename(tmp_path / "moved")
    moved = lake_at(tmp_path / "moved")
    for name in ("own", "research"):
        assert moved.builder.exists(name)
        moved.builder.open(name).close()
        assert moved.builder.rebuild(name).total_rows == 1


def test_a_copy_of_a_lake_has_the_projections_in_its_own_cache_and_not_those_of_the_original_elsewhere(
    lake: SmallLake, shared: Path, tmp_path: Path
) -> None:
    lake.builder.build(ProjectionRequest("own", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    build(lake, shared)
    copied_lake(lake.store.paths.home, tmp_path / "copy")
    copy = lake_at(tmp_path / "copy")
    assert copy.builder.rebuild("own").total_rows == 1
    with pytest.raises(ConflictError, match="is a projection of the lake of"):
        copy.builder.rebuild("research")
    assert lake.builder.exists("research")


def test_a_record_that_names_no_lake_is_of_the_lake_in_which_it_lies(lake: SmallLake) -> None:
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    record = lake.record("p")
    lines = record.read_text(encoding="utf-8").splitlines()
    record.chmod(0o644)
    record.write_text("\n".join(line for line in lines if '"lake"' not in line), encoding="utf-8")
    assert lake.builder.rebuild("p").total_rows == 1
    assert '"lake"' in record.read_text(encoding="utf-8")


def test_while_one_lake_builds_another_waits_and_evicts_nothing(lake: SmallLake, shared: Path) -> None:
    build(lake, shared)
    code = (
        "import sys; from pathlib import Path; from quantlab_resources.advisory_lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(shared / ".research.file-lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        rebuild = threading.Thread(target=lake.builder.rebuild, args=["research"])
        assert lake.builder.evict(0, apply=True).evicted == ()
        rebuild.start()
        rebuild.join(0.3)
        is_waiting = rebuild.is_alive()
        holder.communicate("\n", timeout=240)
        rebuild.join(60)
    assert is_waiting
    assert not rebuild.is_alive()
    assert lake.builder.exists("research")
