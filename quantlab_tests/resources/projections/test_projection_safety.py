from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantlab_core.errors import ArtifactDamagedError, ConflictError, InvalidInputError, SchemaError, StorageError
from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionRequest
from quantlab_resources.projections.duckdb_file import open_projection, writing_duckdb_file
from quantlab_resources.projections.table_plan import SOURCE_ID, TOKEN_ID
from quantlab_tests.resources.projections.damaged_files import damage
from quantlab_tests.resources.projections.small_lake import SmallLake

HOSTILE_IDS = ["", ".", "..", "../p", "a/b", "/etc/p", ".hidden", "a\0b", "a b", "p\n", "x" * 300, "é", "a'b", "-p"]
HOSTILE_TABLES = ["", "a b", 'a"; DROP TABLE x; --', "a'b", "1a", "a-b", "main.a", "x" * 64, "ä"]


@pytest.mark.parametrize("projection_id", HOSTILE_IDS)
def test_an_id_that_could_leave_the_cache_is_refused_everywhere(lake: SmallLake, projection_id: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a projection id"):
        lake.builder.build(ProjectionRequest(projection_id, {"ohlcv": ["any"]}))
    for operation in (lake.builder.get, lake.builder.rebuild, lake.builder.refresh, lake.builder.dispose):
        with pytest.raises(InvalidInputError, match="cannot be a projection id"):
            operation(projection_id)
    assert not lake.builder.exists(projection_id)


@pytest.mark.parametrize("table", HOSTILE_TABLES)
def test_a_table_name_outside_the_grammar_is_refused(lake: SmallLake, table: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a table name"):
        lake.builder.build(ProjectionRequest("p", {table: ["any"]}))


def test_sql_words_are_table_names_like_any_other(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    request = ProjectionRequest("p", {"select": [candles.artifact_id], "order": [candles.artifact_id]})
    assert {table.name for table in lake.builder.build(request).tables} == {"select", "order"}


def test_tables_that_differ_in_case_only_are_refused(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    with pytest.raises(InvalidInputError, match="case only"):
        lake.builder.build(ProjectionRequest("p", {"T": [candles.artifact_id], "t": [candles.artifact_id]}))


TAKEN = {TOKEN_ID, SOURCE_ID}


@settings(deadline=None, max_examples=8, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and text.lower() not in TAKEN))
def test_any_column_name_goes_through_as_a_name_and_never_as_sql(lake: SmallLake, name: str) -> None:
    artifact = lake.publish("odd", 1, "part=a", pa.table({name: ["x"], f"{name}; DROP TABLE t": ["y"]}))
    index = ProjectionIndex("t", (name,))
    built = lake.builder.build(ProjectionRequest("p", {"t": [artifact.artifact_id]}, (index,)))
    with open_projection(built.duckdb_path) as connection:
        assert [column[0] for column in connection.execute("DESCRIBE t").fetchall()] == list(built.tables[0].columns)
    assert built.tables[0].columns == (name, f"{name}; DROP TABLE t", "_source_id")


def test_columns_that_differ_in_case_only_are_refused(lake: SmallLake) -> None:
    artifact = lake.publish("odd", 1, "part=a", pa.table({"a": [1], "A": [2]}))
    with pytest.raises(SchemaError, match="cannot tell the columns"):
        lake.builder.build(ProjectionRequest("p", {"t": [artifact.artifact_id]}))


def test_a_damaged_input_is_refused_and_the_old_file_stays(lake: SmallLake) -> None:
    a, b = lake.candles("TokenA", [1.0]), lake.candles("TokenB", [2.0])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [a.artifact_id, b.artifact_id]}))
    damage(Path(b.path_parquet))
    with pytest.raises(ArtifactDamagedError, match="TokenB"):
        lake.builder.rebuild("p")
    with open_projection(built.duckdb_path) as connection:
        assert connection.execute("SELECT count(*) FROM ohlcv").fetchall() == [(2,)]
    assert lake.builder.get("p") == built
    assert leftovers(lake) == []


def test_a_reader_keeps_the_old_file_while_a_new_one_is_built(lake: SmallLake) -> None:
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    path = lake.builder.get("p").duckdb_path
    reader = open_projection(path)
    lake.candles("TokenA", [1.0, 2.0])
    assert lake.builder.refresh("p").total_rows == 2
    assert reader.execute("SELECT count(*) FROM ohlcv").fetchall() == [(1,)]
    with open_projection(path) as newer:
        assert newer.execute("SELECT count(*) FROM ohlcv").fetchall() == [(2,)]
    reader.close()


def test_a_reader_in_another_process_does_not_hinder_a_rebuild(lake: SmallLake) -> None:
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    code = (
        "import sys; from quantlab_resources.projections.duckdb_file import open_projection\n"
        "connection = open_projection(sys.argv[1]); print('open', flush=True); sys.stdin.readline()\n"
        "print(connection.execute('SELECT count(*) FROM ohlcv').fetchall()[0][0])"
    )
    with python(code, built.duckdb_path) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        lake.candles("TokenA", [1.0, 2.0])
        assert lake.builder.refresh("p").total_rows == 2
        out, _ = reader.communicate("go on\n", timeout=240)
    assert out == "1\n"


def test_a_projection_is_opened_for_reading_only(lake: SmallLake) -> None:
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    with open_projection(built.duckdb_path) as connection, pytest.raises(duckdb.InvalidInputException):
        connection.execute("DELETE FROM ohlcv")


def test_a_build_that_is_killed_leaves_the_old_projection_and_the_next_one_cleans_up(lake: SmallLake) -> None:
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    code = (
        "import os, sys; from pathlib import Path\n"
        "from quantlab_resources.projections.duckdb_file import writing_duckdb_file\n"
        "folder = Path(sys.argv[1])\n"
        "with writing_duckdb_file(folder / 'p.duckdb', folder / f'.p.{os.getpid()}.building') as connection:\n"
        "    connection.execute('CREATE TABLE half AS SELECT 1 AS x')\n"
        "    print('half', flush=True); sys.stdin.readline()"
    )
    with python(code, str(lake.cache)) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        os.kill(writer.pid, signal.SIGKILL)
    assert leftovers(lake) != []
    assert lake.builder.get("p") == built
    assert lake.builder.rebuild("p") == built
    assert leftovers(lake) == []


def test_a_new_file_without_its_new_record_tells_the_truth_about_itself(lake: SmallLake) -> None:
    """The state after a crash between the two renames."""
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    record = lake.record("p")
    old_record = record.read_bytes()
    newer = lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenB", [2.0, 3.0]).artifact_id]}))
    record.chmod(0o644)
    record.write_bytes(old_record)
    assert lake.builder.get("p") == newer
    lake.builder.dispose("p")
    assert lake.builder.rebuild("p") == newer


def test_a_file_that_is_damaged_is_rebuilt_from_its_record(lake: SmallLake) -> None:
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    Path(built.duckdb_path).write_bytes(b"no database")
    with pytest.raises(StorageError, match="cannot open"):
        open_projection(built.duckdb_path)
    assert lake.builder.rebuild("p") == built


def test_a_file_of_another_maker_is_neither_replaced_nor_deleted(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    lake.cache.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(lake.cache / "ohlcv_cache.duckdb")) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 1 AS x")
    with pytest.raises(ConflictError, match="not built by quantlab"):
        lake.builder.build(ProjectionRequest("ohlcv_cache", {"ohlcv": [candles.artifact_id]}))
    with pytest.raises(ConflictError, match="not built by quantlab"):
        lake.builder.dispose("ohlcv_cache")
    assert lake.builder.list() == []
    assert not lake.builder.exists("ohlcv_cache")
    assert (lake.cache / "ohlcv_cache.duckdb").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody else may")
def test_a_cache_that_cannot_be_written_is_a_storage_error_that_names_it(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    lake.cache.mkdir(parents=True)
    lake.cache.chmod(0o555)
    with pytest.raises(StorageError, match="cache"):
        lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target, temporary = tmp_path / "p.duckdb", tmp_path / ".p.1.building"
    target.write_bytes(b"old")
    with pytest.raises(duckdb.CatalogException), writing_duckdb_file(target, temporary) as connection:
        connection.execute("CREATE TABLE t AS SELECT * FROM nowhere")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.duckdb"]


def leftovers(lake: SmallLake) -> list[str]:
    return sorted(path.name for path in lake.cache.iterdir() if "building" in path.name or "staged" in path.name)


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
