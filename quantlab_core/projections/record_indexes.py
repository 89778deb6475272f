"""Port of the record indexes: what earlier sweeps over the same calls of a frozen set have found in its candles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.sweep.entry_rule import EntryRule

if TYPE_CHECKING:
    from quantlab_core.simulation.sweep.candle_faults import CandleFaults
    from quantlab_core.simulation.sweep.record_index import RecordIndex


class IndexOf(Protocol):
    """`RecordIndexes.of_calls` of one frozen set."""

    def __call__(
        self, pack: CandlePack, calls: Calls, faults: CandleFaults, rule: EntryRule, hold_ms: int
    ) -> RecordIndex:
        """The record index of ``calls``, entered by ``rule`` and held for ``hold_ms``."""
        ...


class RecordIndexes(Protocol):
    """Record indexes beside their packs; as disposable as these, and nobody has to ask for one to be built."""

    def of_calls(
        self, content_hash: str, pack: CandlePack, calls: Calls, faults: CandleFaults, rule: EntryRule, hold_ms: int
    ) -> RecordIndex:
        """What `build_record_index` gives for ``pack``, that of the frozen set with this content hash.

        The one that is kept, or one built now. Never fails for want of room or of the right to write: what cannot be
        kept is used and forgotten.
        """
        ...
