from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.errors import ArtifactDamagedError, SchemaError
from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionRequest
from quantlab_resources.projections.duckdb_file import open_projection
from quantlab_tests.resources.projections.damaged_files import damage
from quantlab_tests.resources.projections.small_lake import SmallLake

Rows = list[tuple[object, ...]]


def built_of(lake: SmallLake, tokens: int = 30) -> list[Artifact]:
    """A projection ``p`` of this many tokens with ten candles each."""
    slices = lake.candles_of({f"Token{number:02d}": [float(number)] * 10 for number in range(tokens)})
    index = ProjectionIndex("ohlcv", ("chain",))
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [entry.artifact_id for entry in slices]}, (index,)))
    return slices


def content(lake: SmallLake, projection_id: str = "p") -> tuple[Rows, Rows]:
    """The rows with the artifact that each came from, and what the index on ``chain`` finds."""
    path = lake.builder.get(projection_id).duckdb_path
    with open_projection(path) as connection:
        rows = connection.execute(
            "SELECT r.token_address, ts, close, s.artifact_id, t.token FROM ohlcv r"
            " JOIN quantlab.sources s ON s.source_id = _source_id AND table_name = 'ohlcv'"
            " JOIN quantlab.tokens t ON t.token_id = _token_id ORDER BY ALL"
        ).fetchall()
        found = connection.execute("SELECT count(*) FROM ohlcv WHERE chain = 'solana'").fetchall()
    return rows, found


def test_a_refresh_changes_only_what_changed_and_ends_as_a_rebuild_does(lake: SmallLake) -> None:
    slices = built_of(lake)
    lake.candles("Token03", [7.0] * 12)
    lake.store.tombstone(slices[5].artifact_id, reason="wrong token")
    refreshed = lake.builder.refresh("p")
    assert lake.appended_rows("p") == [10 + 12 + 10]
    assert refreshed.total_rows == 28 * 10 + 12
    after_refresh = content(lake)
    rebuilt = lake.builder.rebuild("p")
    assert lake.appended_rows("p") == [0]
    assert rebuilt.fingerprint == refreshed.fingerprint
    assert rebuilt.tables == refreshed.tables
    assert set(rebuilt.artifact_ids) == set(refreshed.artifact_ids)
    assert content(lake) == after_refresh


NUMBERS = count(10)
REQUEST = ProjectionRequest("fresh", {})
Step = tuple[str, int, Sequence[float]]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "withdraw"]),
        st.integers(0, 5),
        st.lists(st.floats(0.5, 2.0), max_size=2),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=4, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_after_any_changes_a_refresh_has_the_fingerprint_of_a_build(lake: SmallLake, steps: list[Step]) -> None:
    run = next(NUMBERS)
    stays = lake.candles(f"Stays{run}", [1.0] * 400)  # so that the others are a small share
    tokens = lake.candles_of({f"Token{run}x{number}": [1.0] for number in range(6)})
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [entry.artifact_id for entry in [stays, *tokens]]}))
    for action, number, closes in steps:
        heads = lake.store.heads("ohlcv_slice_v2", f"token=Token{run}x{number}/")
        if action == "publish":
            lake.candles(f"Token{run}x{number}", [*closes, float(next(NUMBERS))])  # never the same content again
        elif heads:
            lake.store.tombstone(heads[0].artifact_id, reason="test")
        lake.builder.refresh("p")
    refreshed = lake.builder.get("p")
    assert lake.builder.build(replace(REQUEST, tables={"ohlcv": refreshed.artifact_ids})).fingerprint == (
        refreshed.fingerprint
    )
    with open_projection(refreshed.duckdb_path) as connection:
        counted = connection.execute("SELECT count(DISTINCT _source_id), count(*) FROM ohlcv").fetchall()
    assert counted == [(refreshed.artifact_count, refreshed.total_rows)]


def test_a_large_change_is_built_anew_so_that_all_rows_are_sorted(lake: SmallLake) -> None:
    built_of(lake)
    lake.candles_of({f"Token{number:02d}": [9.0] * 10 for number in range(10)})
    refreshed = lake.builder.refresh("p")
    assert lake.appended_rows("p") == [0]
    with open_projection(refreshed.duckdb_path) as connection:
        stored = connection.execute("SELECT token_address, ts FROM ohlcv").fetchall()
    assert stored == sorted(stored)


def test_small_changes_add_up_until_all_is_sorted_again(lake: SmallLake) -> None:
    built_of(lake)
    moved = []
    for number in range(4):
        lake.candles("Token01", [5.0 + number] * 10)
        lake.builder.refresh("p")
        moved += lake.appended_rows("p")
    assert moved == [20, 40, 60, 0]


def test_a_new_token_is_found_by_number_and_by_name(lake: SmallLake) -> None:
    members = built_of(lake)
    first = lake.frozen_set("candles", "current", members)
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [first.artifact_id]}))
    new = lake.candles("AToken", [1.0])
    lake.frozen_set("candles", "current", [*members, new])
    refreshed = lake.builder.refresh("p")
    assert lake.appended_rows("p") == [1]
    with open_projection(refreshed.duckdb_path) as connection:
        numbers = connection.execute("SELECT token_id FROM quantlab.tokens ORDER BY 1").fetchall()
        found = connection.execute(
            "SELECT token_address FROM ohlcv JOIN quantlab.tokens ON token_id = _token_id WHERE token = 'AToken'"
        ).fetchall()
    assert numbers == [(number,) for number in range(1, 32)]
    assert found == [("AToken",)]


def test_an_incremental_build_of_another_set_changes_only_what_differs(lake: SmallLake) -> None:
    members = built_of(lake)
    wanted = [entry.artifact_id for entry in members[1:]]
    index = ProjectionIndex("ohlcv", ("chain",))
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": wanted}, (index,)), incremental=True)
    assert lake.appended_rows("p") == [10]
    assert set(built.artifact_ids) == set(wanted)
    assert lake.builder.refresh("p") == built
    assert lake.builder.build(ProjectionRequest("q", {"ohlcv": wanted}, (index,))).fingerprint == built.fingerprint


def test_other_tables_or_indexes_are_built_anew(lake: SmallLake) -> None:
    members = [entry.artifact_id for entry in built_of(lake)]
    other = lake.builder.build(ProjectionRequest("p", {"candles": members}), incremental=True)
    assert [table.name for table in other.tables] == ["candles"]
    index = ProjectionIndex("candles", ("volume",))
    indexed = lake.builder.build(ProjectionRequest("p", {"candles": members[1:]}, (index,)), incremental=True)
    assert indexed.tables[0].indexes == ("ART index idx_candles_volume",)
    assert lake.appended_rows("p") == [0]


def test_a_damaged_newcomer_is_named_and_the_old_projection_stays(lake: SmallLake) -> None:
    built_of(lake)
    before, rows = lake.builder.get("p"), content(lake)
    damage(Path(lake.candles("Token03", [7.0] * 12).path_parquet))
    with pytest.raises(ArtifactDamagedError, match="Token03"):
        lake.builder.refresh("p")
    assert lake.builder.get("p") == before
    assert content(lake) == rows
    assert lake.cached() == ["p.duckdb"]


def test_a_newcomer_of_other_columns_is_refused_by_name(lake: SmallLake) -> None:
    slices = [lake.publish("prices", 1, f"part={n}", pa.table({"price": [1.0] * 10})) for n in range(10)]
    lake.builder.build(ProjectionRequest("p", {"prices": [entry.artifact_id for entry in slices]}))
    other = lake.publish("prices", 1, "part=0", pa.table({"price": [1.0], "volume": [1]}))
    with pytest.raises(SchemaError, match="'volume' is in one only") as refusal:
        lake.builder.refresh("p")
    assert other.artifact_id in str(refusal.value)
    assert lake.builder.get("p").total_rows == 100


@pytest.mark.parametrize("harm", ["DELETE FROM ohlcv WHERE token_address = 'Token07'", "DROP TABLE quantlab.tokens"])
def test_a_file_that_does_not_hold_its_record_is_built_anew(lake: SmallLake, harm: str) -> None:
    built_of(lake)
    path = lake.builder.get("p").duckdb_path
    with duckdb.connect(path) as connection:
        connection.execute(harm)
    lake.candles("Token03", [7.0] * 10)
    refreshed = lake.builder.refresh("p")
    assert lake.appended_rows("p") == [0]
    assert refreshed.total_rows == 300
    assert refreshed.fingerprint == lake.builder.rebuild("p").fingerprint


def test_a_file_whose_blocks_are_damaged_is_built_anew(lake: SmallLake) -> None:
    built_of(lake)
    path = Path(lake.builder.get("p").duckdb_path)
    content_ = bytearray(path.read_bytes())
    content_[12_288:] = bytes(len(content_) - 12_288)
    path.write_bytes(content_)
    lake.candles("Token03", [7.0] * 10)
    assert lake.builder.refresh("p").total_rows == 300
    assert content(lake)[1] == [(300,)]
