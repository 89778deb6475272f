"""Record indexes in the cache: kept beside their pack, used only where they are whole and of just this sweep."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.simulation.sweep import record_index
from quantlab_core.simulation.sweep.candle_faults import CandleFaults, candle_faults
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_core.simulation.sweep.record_index import RecordIndex, build_record_index
from quantlab_core.simulation.sweep.sweep import simulate_sweep
from quantlab_resources.projections import record_index_projection
from quantlab_resources.projections.record_index_projection import RecordIndexFiles
from quantlab_tests.resources.projections.small_lake import DAY, SmallLake
from quantlab_tests.resources.projections.test_candle_pack import candles, pack_file, pack_of

DAY_MS = int(DAY.timestamp() * 1_000)
MINUTE_MS = 60_000
HOLD_MS = 30 * MINUTE_MS
STRATEGIES = [
    parse_strategy({"max_hold_min": hold, "stop_loss": stop, "trailing_stop": 0.2, "entry_delay_s": 60})
    for hold in (10, 30)
    for stop in (0.02, 0.1, 0.3)
]
RULE = EntryRule.of(STRATEGIES[0])


@dataclass
class Swept:
    """A frozen set with its pack, calls on it, and how many indexes were built."""

    lake: SmallLake
    candle_set: Artifact
    members: list[Artifact]
    pack: CandlePack
    calls: Calls
    built: list[int]

    def index(self, calls: Calls | None = None, rule: EntryRule = RULE, hold_ms: int = HOLD_MS) -> RecordIndex:
        files = RecordIndexFiles(self.lake.cache, self.lake.store.clock)
        faults = candle_faults(self.pack)
        return files.of_calls(self.candle_set.content_hash, self.pack, calls or self.calls, faults, rule, hold_ms)

    def files(self) -> list[Path]:
        return sorted(self.lake.cache.glob("*.index"))

    def file(self) -> Path:
        (path,) = self.files()
        return path


@pytest.fixture
def swept(lake: SmallLake, monkeypatch: pytest.MonkeyPatch) -> Swept:
    chance = np.random.default_rng(3)
    walks = [np.exp(np.cumsum(chance.normal(0, 0.03, 120))).tolist() for _ in range(3)]
    members = [candles(lake, f"Mint{name}", walk) for name, walk in zip("ABC", walks, strict=True)]
    candle_set = lake.frozen_set("candles", "swept", members)
    pack = pack_of(lake, candle_set, members)
    calls = Calls(
        np.array([0, 1, 2, NO_SERIES, 0, 2], dtype=np.int64),
        DAY_MS + MINUTE_MS * np.array([0, 5, 40, 1, 70, 110], dtype=np.int64),
    )
    built: list[int] = []

    def counted(pack: CandlePack, calls: Calls, faults: CandleFaults, rule: EntryRule, hold_ms: int) -> RecordIndex:
        built.append(hold_ms)
        return build_record_index(pack, calls, faults, rule, hold_ms)

    monkeypatch.setattr(record_index, "build_record_index", counted)
    return Swept(lake, candle_set, members, pack, calls, built)


def plain(swept: Swept, rule: EntryRule = RULE, hold_ms: int = HOLD_MS) -> RecordIndex:
    return build_record_index(swept.pack, swept.calls, candle_faults(swept.pack), rule, hold_ms)


def test_an_index_is_built_once_and_read_from_then_on(swept: Swept) -> None:
    first = swept.index()
    built = swept.file().stat()
    again = swept.index()
    assert swept.built == [HOLD_MS]
    assert first.to_bytes() == again.to_bytes() == plain(swept).to_bytes()
    kept = swept.file().stat()
    assert (kept.st_ino, kept.st_mtime_ns) == (built.st_ino, built.st_mtime_ns)
    assert swept.lake.cached() == sorted([pack_file(swept.lake).name, swept.file().name])


def test_sweeps_from_candles_from_a_new_index_and_from_a_kept_one_are_the_same(swept: Swept) -> None:
    def outcomes(*indexes: RecordIndex) -> dict[str, np.ndarray]:
        found = simulate_sweep(swept.pack, swept.calls, STRATEGIES, indexes=indexes)
        return {name: getattr(found, name) for name in ("net_return", "gross_return", "exit_ts_ms", "exit_reason")}

    from_candles = outcomes()
    assert np.isfinite(from_candles["net_return"]).any()
    for index in (swept.index(), swept.index()):
        assert index.serves(swept.calls, RULE, HOLD_MS)
        for name, values in outcomes(index).items():
            assert values.tobytes() == from_candles[name].tobytes(), name


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def footer_lost(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_somebody_else(path: Path) -> None:
    path.write_text("a file of another program " * 50)


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def a_pack(path: Path) -> None:
    (pack,) = path.parent.glob("*.pack")
    path.write_bytes(pack.read_bytes())


@pytest.mark.parametrize("spoil", [cut, footer_lost, emptied, of_somebody_else, grown, a_pack])
def test_an_index_that_is_not_whole_is_built_again(swept: Swept, spoil: Callable[[Path], None]) -> None:
    swept.index()
    before = swept.file().read_bytes()
    spoil(swept.file())
    assert swept.file().read_bytes() != before
    assert swept.index().to_bytes() == plain(swept).to_bytes()
    assert swept.built == [HOLD_MS, HOLD_MS]
    assert swept.file().read_bytes() == before


def test_every_flipped_bit_is_noticed(swept: Swept) -> None:
    swept.index()
    whole = swept.file().read_bytes()
    places = range(0, len(whole), 97)
    for place in places:
        content = bytearray(whole)
        content[place] ^= 0x10
        swept.file().write_bytes(content)
        swept.index()
        assert swept.file().read_bytes() == whole
    assert len(swept.built) == 1 + len(places)


def other_calls(swept: Swept) -> RecordIndex:
    return swept.index(calls=replace(swept.calls, tradable_from_ms=swept.calls.tradable_from_ms + 1))


def other_series(swept: Swept) -> RecordIndex:
    return swept.index(calls=replace(swept.calls, series_index=swept.calls.series_index[::-1].copy()))


def other_rule(swept: Swept) -> RecordIndex:
    return swept.index(rule=replace(RULE, delay_ms=RULE.delay_ms + 1_000))


def other_hold(swept: Swept) -> RecordIndex:
    return swept.index(hold_ms=2 * HOLD_MS)


def other_set(swept: Swept) -> RecordIndex:
    swept.candle_set = swept.lake.frozen_set("candles", "fewer", swept.members[:2])
    pack_of(swept.lake, swept.candle_set, swept.members[:2])
    return swept.index()


@pytest.mark.parametrize("another", [other_calls, other_series, other_rule, other_hold, other_set])
def test_an_index_of_anything_else_is_not_served_not_even_under_the_right_name(
    swept: Swept, another: Callable[[Swept], RecordIndex]
) -> None:
    swept.index()
    mine = swept.file()
    another(swept)
    assert len(swept.built) == 2
    (other,) = [path for path in swept.files() if path != mine]
    mine.replace(other)
    another(swept)
    assert len(swept.built) == 3


def test_an_index_of_another_engine_is_built_again(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    swept.index()
    monkeypatch.setattr("quantlab_resources.projections.record_index_file.ENGINE_VERSION", "0.0.1")
    swept.index()
    assert len(swept.built) == 2


def test_two_that_need_an_index_at_once_build_it_once(swept: Swept) -> None:
    found: list[bytes] = []
    start = Barrier(4)

    def need() -> None:
        start.wait()
        found.append(swept.index().to_bytes())

    threads = [Thread(target=need) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [plain(swept).to_bytes()] * 4
    assert swept.built == [HOLD_MS]


def test_who_has_an_index_open_keeps_it_and_writes_reach_no_file(swept: Swept) -> None:
    swept.index()
    before = swept.file().read_bytes()
    mapped = swept.index()
    mapped.low_value[:] = 99.0
    assert swept.file().read_bytes() == before
    other = swept.index()
    swept.file().unlink()
    assert other.to_bytes() == plain(swept).to_bytes()


def test_indexes_are_listed_evicted_and_disposed_with_their_pack(swept: Swept) -> None:
    (alone,) = swept.lake.builder.states()
    swept.index()
    (state,) = swept.lake.builder.states()
    assert state.byte_size == alone.byte_size + swept.file().stat().st_blocks * 512
    pack_id = state.projection.projection_id
    assert [one.projection.projection_id for one in swept.lake.builder.evict(0, apply=True).evicted] == [pack_id]
    assert swept.lake.cached() == []
    pack_of(swept.lake, swept.candle_set, swept.members)
    swept.index()
    assert len(swept.files()) == 1
    swept.lake.builder.dispose(pack_id)
    assert swept.lake.cached() == []


def test_no_index_is_kept_of_a_pack_that_is_gone(swept: Swept) -> None:
    pack_file(swept.lake).unlink()
    assert swept.index().to_bytes() == plain(swept).to_bytes()
    assert swept.lake.cached() == []


def test_only_the_last_used_indexes_of_a_pack_are_kept(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_index_projection, "MOST_INDEXES", 2)
    swept.index(hold_ms=MINUTE_MS)
    (first,) = swept.files()
    swept.index(hold_ms=2 * MINUTE_MS)
    (second,) = [path for path in swept.files() if path != first]
    os.utime(second, ns=(first.stat().st_atime_ns - 1, second.stat().st_mtime_ns))
    swept.index(hold_ms=3 * MINUTE_MS)
    assert len(swept.files()) == 2
    assert first.exists()
    assert not second.exists()


def test_what_a_dead_build_left_is_removed(swept: Swept) -> None:
    swept.index()
    (swept.lake.cache / f".{swept.file().name}.123-4.building").write_bytes(b"half")
    swept.file().unlink()
    swept.index()
    assert swept.lake.cached() == sorted([pack_file(swept.lake).name, swept.file().name])
    assert list(swept.lake.cache.glob(".*.building")) == []


def test_a_cache_without_room_or_right_to_write_costs_time_and_no_sweep(
    swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = plain(swept).to_bytes()

    def refused(number: int) -> Callable[..., int]:
        def call(*_: object, **__: object) -> int:
            raise OSError(number, os.strerror(number))

        return call

    for name, number in (("pwrite", errno.ENOSPC), ("open", errno.EROFS)):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, refused(number))
            assert swept.index().to_bytes() == wanted
        assert swept.lake.cached() == [pack_file(swept.lake).name]
        assert list(swept.lake.cache.glob(".*.building")) == []
    assert swept.built == [HOLD_MS, HOLD_MS]
