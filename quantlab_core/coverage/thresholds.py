"""From which span ratio on an alert counts as well, or as partly, covered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantlab_core.candles.arrow_columns import Floats, Mask
from quantlab_core.errors import InvalidInputError

VERDICTS = ("good", "partial", "poor", "none")
"""Verdicts on an alert whose horizon is over, best first."""

PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """``good`` and ``partial``: span ratios with 0 < partial <= good <= 1, else InvalidInputError."""

    good: float = 0.95
    partial: float = 0.80

    def __post_init__(self) -> None:
        if not 0 < self.partial <= self.good <= 1:
            raise InvalidInputError(
                f"coverage thresholds good {self.good:g} and partial {self.partial:g} are refused; "
                "they need 0 < partial <= good <= 1"
            )

    @property
    def attributes(self) -> dict[str, str]:
        """The thresholds as attributes of a table that was judged by them."""
        return {"good": repr(self.good), "partial": repr(self.partial)}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str]) -> Thresholds:
        """The inverse of `attributes`."""
        return cls(float(attributes["good"]), float(attributes["partial"]))

    def verdicts(self, span_ratio: Floats, is_open: Mask) -> npt.NDArray[np.str_]:
        """One verdict per row: pending while the horizon is open, else by span ratio."""
        return np.select(
            [is_open, span_ratio >= self.good, span_ratio >= self.partial, span_ratio > 0],
            [PENDING, "good", "partial", "poor"],
            default="none",
        )


DEFAULT_THRESHOLDS = Thresholds()
