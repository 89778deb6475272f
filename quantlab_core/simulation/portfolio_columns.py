"""What a purse made of a list of trades, as columns: `PortfolioRun` in the form from which tables are made quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.portfolio import PortfolioRun
from quantlab_core.simulation.trade_columns import Codes, Floats, Whole

REJECTIONS = ("rejected_capital", "rejected_max_open", "rejected_token_held")
"""Why a purse does not take a trade; a code is the position of its word."""
REJECTED_CAPITAL, REJECTED_MAX_OPEN, REJECTED_TOKEN_HELD = range(len(REJECTIONS))


@dataclass(frozen=True, slots=True, eq=False)
class CurveColumns:
    """The portfolio after all events of each time, in time order; meaning and units as in `CurvePoint`."""

    ts_ms: Whole
    cash: Floats
    equity: Floats
    n_open: Whole
    exposure: Floats
    drawdown: Floats
    drawdown_duration_s: Floats

    def __len__(self) -> int:
        return len(self.ts_ms)


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioColumns:
    """Rows of the trades that were ``taken`` and ``rejected``, in the order of their entries, and the curve.

    ``rejection`` holds the code of `REJECTIONS` for each row of ``rejected``.
    """

    starting_capital: float
    curve: CurveColumns
    taken: Whole
    rejected: Whole
    rejection: Codes

    @property
    def final_equity(self) -> float:
        """Equity after the last event."""
        return float(self.curve.equity[-1]) if len(self.curve) else self.starting_capital

    def at_rows(self, rows: Whole) -> PortfolioColumns:
        """The same where row ``i`` of what the portfolio was given is row ``rows[i]`` of a larger whole."""
        return replace(self, taken=rows[self.taken], rejected=rows[self.rejected])

    @classmethod
    def from_run(cls, run: PortfolioRun, outcomes: Sequence[AlertOutcome]) -> PortfolioColumns:
        """The columns of a run over ``outcomes``; rows are positions in that list."""
        row_of = {outcome.alert_id: row for row, outcome in enumerate(outcomes)}
        types = {"Whole": np.int64, "Floats": np.float64}
        curve: dict[str, npt.NDArray[np.generic]] = {
            column.name: np.array([getattr(point, column.name) for point in run.curve], dtype=types[str(column.type)])
            for column in fields(CurveColumns)
        }
        return cls(
            starting_capital=run.starting_capital,
            curve=CurveColumns(**curve),  # type: ignore[arg-type]
            taken=np.array([row_of[outcome.alert_id] for outcome in run.taken], dtype=np.int64),
            rejected=np.array([row_of[one.outcome.alert_id] for one in run.rejections], dtype=np.int64),
            rejection=np.array([REJECTIONS.index(one.code) for one in run.rejections], dtype=np.int8),
        )
