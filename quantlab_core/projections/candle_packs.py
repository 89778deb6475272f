"""Port of the candle packs: frozen sets of candles in the form that the engine reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.simulation.candle_pack import CandlePack


class CandlePacks(Protocol):
    """Packs of frozen sets; disposable like every projection, and nobody has to ask for one to be built."""

    def of_set(self, candle_set: Artifact, members: Sequence[Artifact]) -> CandlePack:
        """The pack of a frozen set whose members are ``members``: the one that is kept, or one built now.

        Raises ArtifactMissingError where a member's file is gone, ArtifactDamagedError where one is read and damaged,
        StorageError.
        """
        ...
