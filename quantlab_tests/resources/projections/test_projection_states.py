"""Fresh or stale, sizes and use, eviction, other cache folders, and handles for readers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from quantlab_core.errors import ConflictError, InvalidInputError, ProjectionNotFoundError, StorageError
from quantlab_core.projections.projection_builder import ProjectionRequest, ProjectionState
from quantlab_resources.advisory_lock import locked
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
from quantlab_tests.resources.projections.small_lake import SmallLake

THREE = ("first", "second", "third")


def build(lake: SmallLake, projection_id: str, *ids: str, cache_dir: Path | None = None) -> Path:
    folder = None if cache_dir is None else str(cache_dir)
    built = lake.builder.build(ProjectionRequest(projection_id, {"ohlcv": ids}, cache_dir=folder))
    return Path(built.duckdb_path)


def state(lake: SmallLake, projection_id: str = "p") -> ProjectionState:
    (found,) = [one for one in lake.builder.states() if one.projection.projection_id == projection_id]
    return found


def test_a_projection_is_stale_when_what_it_holds_was_superseded_or_withdrawn(lake: SmallLake) -> None:
    a, b, c = (lake.candles(token, [1.0]) for token in ("TokenA", "TokenB", "TokenC"))
    build(lake, "p", a.artifact_id, b.artifact_id, c.artifact_id)
    assert state(lake).is_fresh
    lake.candles("TokenA", [2.0])
    lake.store.tombstone(b.artifact_id, reason="wrong token")
    stale = state(lake)
    assert not stale.is_fresh
    assert (stale.superseded, stale.withdrawn, stale.added) == (1, 1, 1)
    lake.builder.refresh("p")
    assert state(lake).is_fresh


def test_a_projection_of_a_set_is_stale_when_the_set_gained_a_member(lake: SmallLake) -> None:
    a = lake.candles("TokenA", [1.0])
    build(lake, "p", lake.frozen_set("candles", "current", [a]).artifact_id)
    lake.frozen_set("candles", "current", [a, lake.candles("TokenB", [1.0])])
    assert (state(lake).superseded, state(lake).withdrawn, state(lake).added) == (0, 0, 1)
    lake.builder.refresh("p")
    assert state(lake).is_fresh


def test_states_tell_size_and_last_use_and_say_when_the_file_is_gone(lake: SmallLake) -> None:
    path = build(lake, "p", lake.candles("TokenA", [1.0]).artifact_id)
    assert state(lake).byte_size == path.stat().st_size
    assert state(lake).is_there
    lake.builder.dispose("p")
    gone = state(lake)
    assert (gone.is_there, gone.byte_size, gone.last_used, gone.is_fresh) == (False, 0, None, True)


def three_projections(lake: SmallLake) -> int:
    """Projections ``first``, ``second`` and ``third``, built in this order, of equal size, which is returned."""
    candles = lake.candles("TokenA", [1.0]).artifact_id
    sizes = {build(lake, name, candles).stat().st_size for name in THREE}
    (size,) = sizes
    return size


def ids(states: tuple[ProjectionState, ...]) -> list[str]:
    return [one.projection.projection_id for one in states]


def test_the_least_recently_used_go_until_the_rest_fits(lake: SmallLake) -> None:
    size = three_projections(lake)
    shown = lake.builder.evict(size, apply=False)
    assert ids(shown.evicted) == ["first", "second"]
    assert shown.kept_bytes == size
    assert all(lake.builder.exists(name) for name in THREE)
    assert lake.builder.evict(size, apply=True) == shown
    assert [lake.builder.exists(name) for name in THREE] == [False, False, True]
    assert lake.builder.evict(size, apply=True).evicted == ()
    assert lake.builder.rebuild("first").total_rows == 1


def test_opening_a_projection_is_a_use_of_it(lake: SmallLake) -> None:
    size = three_projections(lake)
    lake.builder.open("first").close()
    assert ids(lake.builder.evict(2 * size, apply=True).evicted) == ["second"]


def test_asking_how_projections_stand_is_no_use_of_them(lake: SmallLake) -> None:
    three_projections(lake)
    before = {one.projection.projection_id: one.last_used for one in lake.builder.states()}
    lake.builder.list()
    lake.builder.get("first")
    assert {one.projection.projection_id: one.last_used for one in lake.builder.states()} == before


def test_what_is_being_built_and_what_is_to_be_kept_stays(lake: SmallLake) -> None:
    three_projections(lake)
    code = (
        "import sys; from pathlib import Path; from quantlab_resources.advisory_lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.readline()"
    )
    lock = str(lake.record(".first").with_suffix(".lock"))
    command = [sys.executable, "-c", code, lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        eviction = lake.builder.evict(0, apply=True, keep=["second"])
        holder.communicate("\n", timeout=240)
    assert ids(eviction.evicted) == ["third"]
    assert [lake.builder.exists(name) for name in THREE] == [True, True, False]
    with locked(Path(lock)):  # the test looked at the right lock: whoever builds waits for it
        assert lake.builder.evict(0, apply=False).evicted[0].projection.projection_id == "second"


def test_files_of_others_are_neither_counted_nor_evicted(lake: SmallLake) -> None:
    three_projections(lake)
    foreign = lake.cache / "ohlcv_cache.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 1 AS x")
    assert lake.builder.evict(0, apply=True).kept_bytes == 0
    assert foreign.exists()


def test_a_handle_reads_and_refuses_every_write(lake: SmallLake) -> None:
    build(lake, "p", lake.candles("TokenA", [1.0]).artifact_id)
    with lake.builder.open("p") as connection:
        assert connection.execute("SELECT count(*) FROM ohlcv").fetchall() == [(1,)]
        for statement in ("DELETE FROM ohlcv", "CREATE TABLE x (a INTEGER)", "DROP TABLE ohlcv"):
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                connection.execute(statement)


def test_a_handle_of_what_is_not_there_says_what_to_do(lake: SmallLake) -> None:
    with pytest.raises(ProjectionNotFoundError):
        lake.builder.open("p")
    build(lake, "p", lake.candles("TokenA", [1.0]).artifact_id)
    lake.builder.dispose("p")
    with pytest.raises(StorageError, match="quantlab projections rebuild p"):
        lake.builder.open("p")


def test_a_request_may_name_another_folder_and_its_id_is_enough_from_then_on(lake: SmallLake, tmp_path: Path) -> None:
    elsewhere = tmp_path / "fast disk"
    candles = lake.candles("TokenA", [1.0])
    path = build(lake, "p", candles.artifact_id, cache_dir=elsewhere)
    assert path == elsewhere / "p.duckdb"
    assert state(lake).byte_size == path.stat().st_size
    lake.builder.dispose("p")
    assert not path.exists()
    assert lake.builder.rebuild("p").duckdb_path == str(path)
    lake.candles("TokenA", [2.0])
    assert lake.builder.refresh("p").duckdb_path == str(path)
    assert path.exists()


def test_a_projection_that_moves_leaves_nothing_behind(lake: SmallLake, tmp_path: Path) -> None:
    candles = lake.candles("TokenA", [1.0]).artifact_id
    old = build(lake, "p", candles, cache_dir=tmp_path / "elsewhere")
    new = build(lake, "p", candles)
    assert not old.exists()
    assert new == lake.cache / "p.duckdb"
    assert len(lake.builder.list()) == 1


def test_the_lakes_own_cache_may_be_named_too(lake: SmallLake) -> None:
    assert build(lake, "p", lake.candles("TokenA", [1.0]).artifact_id, cache_dir=lake.cache) == lake.cache / "p.duckdb"
    assert '"cacheDir"' not in lake.record("p").read_text(encoding="utf-8")


def test_projections_are_rebuilt_from_their_ids_when_the_whole_cache_was_deleted(lake: SmallLake) -> None:
    build(lake, "p", lake.candles("TokenA", [1.0]).artifact_id)
    before = lake.builder.get("p")
    shutil.rmtree(lake.cache)
    fresh = DuckDBProjectionBuilder(lake.store, lake.cache)
    assert fresh.list() == [before]
    assert not fresh.exists("p")
    assert fresh.rebuild("p") == before


def test_a_foreign_file_in_the_place_of_a_disposed_projection_is_left_alone(lake: SmallLake) -> None:
    path = build(lake, "p", lake.candles("TokenA", [1.0]).artifact_id)
    lake.builder.dispose("p")
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 1 AS x")
    for operation in (lake.builder.rebuild, lake.builder.refresh, lake.builder.dispose):
        with pytest.raises(ConflictError, match="not built by quantlab"):
            operation("p")
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT x FROM precious").fetchall() == [(1,)]


def test_a_dataset_has_no_handle(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0]).artifact_id
    lake.builder.build(ProjectionRequest("d", {"ohlcv": [candles]}, form="dataset"))
    with pytest.raises(InvalidInputError, match="read the Parquet files below"):
        lake.builder.open("d")
