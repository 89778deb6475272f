"""The record index: of each call's window only the candles that set a record, which is all that thresholds can touch.

Running highest highs, running lowest lows, and running lowest ratios of a low to the peak of the candles before it. Any
threshold of any sweep is found in them by binary search, whatever its slippage and costs. An index belongs to one pack,
one list of calls, one entry rule, and reaches as far as its ``hold_ms``; it is disposable and made again from the pack.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.sweep.candle_faults import CandleFaults
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_core.simulation.sweep.positions import Positions, find_positions
from quantlab_core.simulation.sweep.record_kernel import write_records
from quantlab_core.simulation.sweep.touch_types import PEAK_RECORD, RECORD

FORMAT = "quantlab-record-index-1"
_ALIGNMENT = 64
_LONGEST_HEAD = 1 << 14
_POSITION = "position_"

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class RecordIndex:
    """Records of many calls. Those of call ``c`` and one kind are the rows ``offsets[c]`` to ``offsets[c + 1]``.

    ``*_value`` is a low (descending), a high (ascending) or a ratio (descending). A ``*_record`` has the candle's open
    (infinite where a limit order was filled inside it), ``k``, the intervals from the entry candle's open, and ``row``,
    the rows from the entry candle; that of a ratio has the ``peak`` before, which is at least the raw price.
    ``positions`` are those of the holding time ``hold_ms`` and a dead token's last close.
    """

    rule: EntryRule
    hold_ms: int
    series_index: Whole
    tradable_from_ms: Whole
    positions: Positions
    low_offsets: Whole
    low_value: Floats
    low_record: Records
    high_offsets: Whole
    high_value: Floats
    high_record: Records
    ratio_offsets: Whole
    ratio_value: Floats
    ratio_record: Records

    def serves(self, calls: Calls, rule: EntryRule, hold_ms: int) -> bool:
        """Whether sweeps of ``rule`` over ``calls`` that hold for at most ``hold_ms`` can use it."""
        return (
            rule == self.rule
            and hold_ms <= self.hold_ms
            and np.array_equal(calls.series_index, self.series_index)
            and np.array_equal(calls.tradable_from_ms, self.tradable_from_ms)
        )

    @property
    def nbytes(self) -> int:
        """Size of all arrays."""
        return sum(array.nbytes for array in _arrays(self).values())

    def to_bytes(self) -> bytes:
        """The index as one block: a line of JSON that describes it, then its arrays, each aligned."""
        arrays = _arrays(self)
        described = [[name, array.dtype.descr, array.shape] for name, array in arrays.items()]
        head = {"format": FORMAT, "rule": asdict(self.rule), "hold_ms": self.hold_ms, "arrays": described}
        parts = [_padded(json.dumps(head).encode() + b"\n")]
        parts += [_padded(array.tobytes()) for array in arrays.values()]
        return b"".join(parts)

    @classmethod
    def from_buffer(cls, buffer: bytes | memoryview) -> RecordIndex:
        """The inverse of `to_bytes`, as views of ``buffer`` (e.g. a mapped file). Raises InvalidInputError for others.

        Who keeps the block proves that it is whole; nothing here looks at the values.
        """
        view = memoryview(buffer)
        try:
            begin = bytes(view[:_LONGEST_HEAD]).index(b"\n") + 1
            head = json.loads(bytes(view[:begin]))
            if head["format"] != FORMAT:
                raise ValueError
            at, arrays = _aligned(begin), {}
            for name, described, shape in head["arrays"]:
                is_plain = described[0][0] == ""
                dtype = np.dtype(described[0][1] if is_plain else [(field, kind) for field, kind in described])
                arrays[name] = np.frombuffer(view, dtype, int(np.prod(shape)), at).reshape(shape)
                at = _aligned(at + arrays[name].nbytes)
            positions = Positions(**{field.name: arrays.pop(_POSITION + field.name) for field in fields(Positions)})
            return cls(rule=EntryRule(**head["rule"]), hold_ms=head["hold_ms"], positions=positions, **arrays)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidInputError(
                "the record index is damaged or of another format; delete it, it is made again from the candle pack"
            ) from None


def build_record_index(
    pack: CandlePack, calls: Calls, faults: CandleFaults, rule: EntryRule, hold_ms: int
) -> RecordIndex:
    """The records of ``calls`` entered by ``rule``, from the entry candle on for ``hold_ms``."""
    holds = np.array([hold_ms], dtype=np.int64)
    positions = find_positions(pack, calls, faults, rule, holds, is_dead_worthless=False)
    longest = int((positions.end_row - positions.first_row).max(initial=1))
    room = max(longest, 96 * len(calls))
    offsets = [np.zeros(len(calls) + 1, np.int64) for _ in range(3)]
    values = [np.empty(room) for _ in range(3)]
    records = [np.empty(room, dtype) for dtype in (RECORD, RECORD, PEAK_RECORD)]
    call = 0
    while True:
        call = write_records(
            *(pack.ts_ms, pack.open, pack.high, pack.low, pack.close),
            *(positions.first_row, positions.end_row, positions.raw_price, positions.is_intrabar),
            *(positions.interval_ms, call),
            *(column for kind in zip(offsets, values, records, strict=True) for column in kind),
        )
        if call == len(calls):
            break
        room *= 2
        values, records = [np.resize(one, room) for one in values], [np.resize(one, room) for one in records]
    columns: dict[str, Any] = {}
    for name, ends, value, record in zip(("low", "high", "ratio"), offsets, values, records, strict=True):
        columns[f"{name}_offsets"], used = ends, int(ends[-1])
        columns[f"{name}_value"], columns[f"{name}_record"] = value[:used].copy(), record[:used].copy()
    return RecordIndex(rule, hold_ms, calls.series_index, calls.tradable_from_ms, positions, **columns)


def _arrays(index: RecordIndex) -> dict[str, npt.NDArray[Any]]:
    values = {field.name: getattr(index, field.name) for field in fields(index)}
    values |= {_POSITION + field.name: getattr(index.positions, field.name) for field in fields(Positions)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def _padded(block: bytes) -> bytes:
    return block.ljust(_aligned(len(block)), b"\0")
