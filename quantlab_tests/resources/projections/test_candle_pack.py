"""Candle packs: the candles of a frozen set as one mapped file, which is used only where it is whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, IntegrityError, InvalidInputError
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_core.simulation.candle_pack import CandlePack, series_and_spans
from quantlab_core.token import Token
from quantlab_resources.projections.candle_pack_projection import CandlePackFiles
from quantlab_tests.resources.projections.damaged_files import damage
from quantlab_tests.resources.projections.small_lake import DAY, SmallLake

ATTRIBUTES = {"resolution": "1m", "source": "file", "price_unit": "usd", "volume_unit": "usd"}


def candles(
    lake: SmallLake,
    token: str,
    closes: Sequence[float],
    *,
    first_minute: int = 0,
    resolution: str = "1m",
    spec: ArtifactType = TOKEN_CANDLES,
    **stated: str,
) -> Artifact:
    """Candles a minute apart, all prices of a candle equal, whose source answered for just their minutes."""
    n = len(closes)
    times = [DAY + timedelta(minutes=first_minute + number) for number in range(n)]
    prices = [list(closes)] * 4
    values = [[token] * n, ["solana"] * n, times, *prices, [1.0] * n]
    values += [[None] * n] * (len(spec.schema) - len(values))
    table = pa.table([pa.array(v, f.type) for v, f in zip(values, spec.schema, strict=True)], schema=spec.schema)
    spans = [[str(times[0]), str(times[-1] + timedelta(minutes=1))]] if times else []
    attributes = ATTRIBUTES | {"resolution": resolution, "source_spans": json.dumps(spans)} | stated
    window = f"/from=m{first_minute}/to=z" if spec is OHLCV_SLICE else ""
    key = f"token={token}/chain=solana/res={resolution}{window}"
    return lake.publish(spec.name, spec.version, key, with_attributes(table, attributes))


def packs(lake: SmallLake) -> CandlePackFiles:
    return CandlePackFiles(lake.store, lake.cache)


def pack_of(lake: SmallLake, candle_set: Artifact, members: Sequence[Artifact]) -> CandlePack:
    return packs(lake).of_set(candle_set, members)


def pack_file(lake: SmallLake) -> Path:
    (path,) = lake.cache.glob("candles-*.pack")
    return path


def assert_same(found: CandlePack, wanted: CandlePack) -> None:
    for column in fields(CandlePack):
        left, right = getattr(found, column.name), getattr(wanted, column.name)
        if isinstance(left, np.ndarray):
            left, right = (left.dtype, left.tolist()), (right.dtype, right.tolist())
        assert left == right, column.name


def two_series(lake: SmallLake) -> tuple[Artifact, list[Artifact]]:
    members = [candles(lake, "MintB", [3.0, 4.0]), candles(lake, "MintA", [1.0, 2.0, 3.0])]
    return lake.frozen_set("candles", "two", members), members


def plain_pack(lake: SmallLake, members: Sequence[Artifact]) -> CandlePack:
    return CandlePack.from_tables(
        {
            Token("solana", m.logical_key.split("/")[0].partition("=")[2]): lake.store.read(m.artifact_id)
            for m in members
        }
    )


def test_a_pack_holds_the_candles_and_spans_of_every_member(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    found = pack_of(lake, candle_set, members)
    assert_same(found, plain_pack(lake, members))
    assert [token.address for token in found.tokens] == ["MintA", "MintB"]
    assert [len(list(found.spans_us(index))) for index in range(2)] == [1, 1]


def test_slices_of_a_token_are_merged_other_resolutions_left_out_and_earlier_versions_read(lake: SmallLake) -> None:
    members = [
        candles(lake, "MintA", [1.0, 2.0], spec=OHLCV_SLICE),
        candles(lake, "MintA", [2.0, 5.0], first_minute=1, spec=OHLCV_SLICE),
        candles(lake, "MintB", [9.0], resolution="5m"),
        lake.earlier_candles("MintC", [7.0, 8.0]),
    ]
    found = pack_of(lake, lake.frozen_set("candles", "mixed", members), members)
    assert [token.address for token in found.tokens] == ["MintA", "MintC"]
    assert found.series(0).close.tolist() == [1.0, 2.0, 5.0]
    assert found.series(1).close.tolist() == [7.0, 8.0]
    assert (found.series(0).ts_ms - found.series(0).ts_ms[0]).tolist() == [0, 60_000, 120_000]


def test_an_empty_set_is_an_empty_pack(lake: SmallLake) -> None:
    found = pack_of(lake, lake.frozen_set("candles", "none", []), [])
    assert (len(found), found.rows) == (0, 0)


def test_a_pack_is_built_once_and_read_from_then_on(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    first = pack_of(lake, candle_set, members)
    built = pack_file(lake).stat()
    assert_same(pack_of(lake, candle_set, members), first)
    again = pack_file(lake).stat()
    assert (again.st_ino, again.st_mtime_ns) == (built.st_ino, built.st_mtime_ns)
    assert lake.cached() == [pack_file(lake).name]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_somebody_else(path: Path) -> None:
    path.write_text("a file of another program " * 50)


def first_candle_changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[64] ^= 1
    path.write_bytes(content)


def footer_changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"MintA"', b'"MintX"'))


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


@pytest.mark.parametrize("spoil", [cut, emptied, of_somebody_else, first_candle_changed, footer_changed, grown])
def test_a_pack_that_is_not_whole_is_built_again(lake: SmallLake, spoil: Callable[[Path], None]) -> None:
    candle_set, members = two_series(lake)
    pack_of(lake, candle_set, members)
    before = pack_file(lake).read_bytes()
    spoil(pack_file(lake))
    assert pack_file(lake).read_bytes() != before
    assert_same(pack_of(lake, candle_set, members), plain_pack(lake, members))
    assert pack_file(lake).read_bytes() == before


def test_the_pack_of_another_set_under_the_name_of_this_one_is_built_again(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    pack_of(lake, lake.frozen_set("candles", "one", members[:1]), members[:1])
    other = pack_file(lake)
    other.rename(lake.cache / f"candles-{candle_set.content_hash.partition(':')[2]}.pack")
    assert_same(pack_of(lake, candle_set, members), plain_pack(lake, members))


def test_every_flipped_bit_of_the_columns_is_noticed(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    pack_of(lake, candle_set, members)
    wanted = plain_pack(lake, members)
    whole = pack_file(lake).read_bytes()
    for place in [*range(64, 104), *range(384, 424), len(whole) - 1]:
        content = bytearray(whole)
        content[place] ^= 0x80
        pack_file(lake).write_bytes(content)
        assert_same(pack_of(lake, candle_set, members), wanted)


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_damaged_or_missing_member_is_refused_with_and_without_a_pack(lake: SmallLake, is_warm: bool) -> None:
    candle_set, members = two_series(lake)
    if is_warm:
        pack_of(lake, candle_set, members)
    path = Path(members[1].path_parquet)
    whole = path.read_bytes()
    damage(path)
    with pytest.raises(ArtifactDamagedError, match=path.name):
        pack_of(lake, candle_set, members)
    path.unlink()
    with pytest.raises(ArtifactMissingError, match=path.name):
        pack_of(lake, candle_set, members)
    assert len(lake.cached()) == is_warm  # no half of a pack is left
    path.write_bytes(whole)
    assert_same(pack_of(lake, candle_set, members), plain_pack(lake, members))


def test_candles_of_which_no_series_can_be_made_are_refused_only_when_they_are_wanted(lake: SmallLake) -> None:
    members = [
        candles(lake, "MintA", [1.0]),
        lake.candles("MintB", [1.0]),
        candles(lake, "MintC", [1.0], source_spans="[[1"),
    ]
    found = pack_of(lake, lake.frozen_set("candles", "faulty", members), members)
    assert [token.address for token in found.tokens] == ["MintA"]
    found.require([Token("solana", "MintA"), Token("solana", "MintX")])
    with pytest.raises(InvalidInputError, match="unknown candle resolution 'unknown'"):
        found.require([Token("solana", "MintB")])
    with pytest.raises(InvalidInputError, match=r"MintC: .* are no source spans"):
        found.require([Token("solana", "MintC")])


def test_two_that_need_a_pack_at_once_both_get_it(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    found: list[CandlePack] = []
    start = Barrier(4)

    def need() -> None:
        start.wait()
        found.append(pack_of(lake, candle_set, members))

    threads = [Thread(target=need) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for one in found:
        assert_same(one, found[0])
    assert lake.cached() == [pack_file(lake).name]


def test_who_has_a_pack_open_keeps_it_and_writes_reach_no_file(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    found = pack_of(lake, candle_set, members)
    before = pack_file(lake).read_bytes()
    found.close[:] = 99.0
    assert pack_file(lake).read_bytes() == before
    other = pack_of(lake, candle_set, members)
    pack_file(lake).unlink()
    assert other.series(0).close.tolist() == [1.0, 2.0, 3.0]


def test_what_a_dead_build_left_is_removed(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    pack_of(lake, candle_set, members)
    (lake.cache / f".{pack_file(lake).name}.123.building").write_bytes(b"half")
    pack_file(lake).unlink()
    pack_of(lake, candle_set, members)
    assert lake.cached() == [pack_file(lake).name]


def test_packs_are_listed_evicted_and_disposed_like_other_projections(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    pack_of(lake, candle_set, members)
    (state,) = lake.builder.states()
    pack_id = state.projection.projection_id
    assert pack_file(lake).stem == pack_id
    assert (state.is_there, state.is_fresh, state.projection.form, state.projection.total_rows) == (
        True,
        True,
        "pack",
        5,
    )
    assert state.projection.artifact_ids == (candle_set.artifact_id,)
    assert lake.builder.exists(pack_id)
    assert [one.projection.projection_id for one in lake.builder.evict(0, apply=False).evicted] == [pack_id]
    assert lake.builder.exists(pack_id)
    assert lake.builder.evict(10**9, apply=True).evicted == ()
    assert [one.projection.projection_id for one in lake.builder.evict(0, apply=True).evicted] == [pack_id]
    assert not lake.builder.exists(pack_id)
    assert lake.builder.states() == ()
    pack_of(lake, candle_set, members)
    lake.builder.dispose(pack_id)
    assert lake.cached() == []
    with pytest.raises(InvalidInputError, match="built by the experiment that needs it"):
        lake.builder.build(ProjectionRequest("p", {"ohlcv": [candle_set.artifact_id]}, form="pack"))


def test_a_pack_that_was_used_since_it_was_chosen_stays(lake: SmallLake) -> None:
    candle_set, members = two_series(lake)
    pack_of(lake, candle_set, members)
    (state,) = packs(lake).states()
    assert state.last_used is not None
    earlier = state.last_used - timedelta(seconds=1)
    assert not packs(lake).remove(state.projection.projection_id, last_used=earlier)
    assert packs(lake).remove(state.projection.projection_id, last_used=state.last_used)
    assert not packs(lake).remove(state.projection.projection_id)


def test_a_file_that_is_no_pack_is_in_no_list(lake: SmallLake) -> None:
    lake.cache.mkdir(exist_ok=True)
    (lake.cache / "candles-notes.pack").write_text("my notes")
    assert lake.builder.states() == ()


def test_the_types_of_errors_are_those_of_damaged_inputs() -> None:
    assert issubclass(ArtifactDamagedError, IntegrityError)
    assert issubclass(ArtifactMissingError, IntegrityError)
    with pytest.raises(InvalidInputError):
        series_and_spans(Token("solana", "A"), CANDLE_SCHEMA.empty_table())
