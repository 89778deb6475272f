"""Refusal of files that hold candles of another interval than the one declared.

Two signs, looked for per token:

- three or more rows off the grid of the declared resolution: rows of a finer interval, or of shifted buckets;
- a run of `RUN_STEPS` or more equal steps of one coarser standard resolution, all on that resolution's grid: rows of
  the coarser interval. Minutes without trades are absent from honest files too, but a token that trades at random does
  not keep one rhythm: with a trade in every fifth minute on average, a step of exactly 5 minutes has a probability of
  0.2 * 0.8**4 = 0.08, ten in a row one of 1e-11. What trades by the clock does keep it: ``accept_regular_gaps``.

One or two rows off the grid are no sign: some sources stamp their unfinished last candle with the time of the request.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import Integers, Mask, microseconds, row_positions
from quantlab_core.candles.epoch_time import duration_microseconds, iso_text
from quantlab_core.candles.neighbouring_rows import run_starts
from quantlab_core.candles.resolution import RESOLUTIONS, step_of
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.errors import CandleFileError

RUN_STEPS = 10
MAX_STRAY_ROWS = 2


def refuse_mixed_intervals(rows: pa.Table, *, resolution: str, subject: str, accept_regular_gaps: bool = False) -> None:
    """Raise CandleFileError, naming rows, when a token's rows are not all of the declared resolution.

    ``rows`` has ``row_number``, ``chain``, ``token_address`` and ``ts``, none of them null, in any order.
    """
    encoded = token_codes(rows)
    stamps = microseconds(rows["ts"])
    numbers = np.asarray(rows["row_number"].to_numpy(), dtype=np.int64)
    order = np.lexsort((numbers, stamps, encoded.codes))
    codes, stamps, numbers = encoded.codes[order], stamps[order], numbers[order]
    step = step_of(resolution)
    _refuse_rows_off_the_grid(codes, stamps, numbers, step, resolution, subject, len(encoded.tokens))
    if not accept_regular_gaps:
        firsts = run_starts(codes, stamps)
        for name, coarse in RESOLUTIONS.items():
            if coarse > RESOLUTIONS[resolution]:
                _refuse_coarse_run(codes[firsts], stamps[firsts], numbers[firsts], coarse, name, resolution, subject)


def _refuse_rows_off_the_grid(
    codes: Integers, stamps: Integers, numbers: Integers, step: int, resolution: str, subject: str, tokens: int
) -> None:
    off_grid = stamps % step != 0
    per_token = np.bincount(codes[off_grid], minlength=tokens)
    if not (per_token > MAX_STRAY_ROWS).any():
        return
    rows = row_positions(off_grid & (codes == int(per_token.argmax())))
    raise CandleFileError(
        f"{subject}: {len(rows)} rows are not on the grid of {resolution} candles ({_named(rows, stamps, numbers)}): "
        "the file holds another interval, or two; split it by interval and declare each part's --resolution"
    )


def _refuse_coarse_run(
    codes: Integers, stamps: Integers, numbers: Integers, coarse: timedelta, name: str, resolution: str, subject: str
) -> None:
    step = duration_microseconds(coarse)
    is_coarse_step = (codes[1:] == codes[:-1]) & (np.diff(stamps) == step) & (stamps[1:] % step == 0)
    first, last = _longest_run(is_coarse_step)
    if last - first < RUN_STEPS:
        return
    rows = np.arange(first, last + 1)
    same_token = codes == codes[first]
    remedy = (
        f"declare --resolution {name}"
        if (stamps[same_token] % step == 0).all()
        else "split the file by interval and declare each part's --resolution"
    )
    raise CandleFileError(
        f"{subject}: {len(rows)} rows in a row are exactly {name} apart ({_named(rows, stamps, numbers)}) although "
        f"they are read as {resolution}; {remedy}, or --accept-regular-gaps if the token really traded in this rhythm"
    )


def _longest_run(mask: Mask) -> tuple[int, int]:
    """[first, last) of the longest run of true values; (0, 0) when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    if len(edges) == 0:
        return 0, 0
    longest = int((edges[1::2] - edges[0::2]).argmax())
    return int(edges[2 * longest]), int(edges[2 * longest + 1])


def _named(rows: Integers, stamps: Integers, numbers: Integers) -> str:
    shown = ", ".join(f"row {numbers[row]} at {iso_text(stamps[row])}" for row in rows[:3])
    return shown + (f", … row {numbers[rows[-1]]} at {iso_text(stamps[rows[-1]])}" if len(rows) > 3 else "")
