"""Types of what `first_touches` is given and gives. A change of them is a change of signatures, which compiles anew.

Loads numba, so import it only to run something.
"""

from __future__ import annotations

import numba as nb
import numpy as np

F8 = nb.types.Array(nb.float64, 1, "C", readonly=True)
I8 = nb.types.Array(nb.int64, 1, "C", readonly=True)
U1 = nb.types.Array(nb.uint8, 1, "C", readonly=True)
RECORD = np.dtype([("open", np.float64), ("k", np.int32), ("row", np.int32)])
PEAK_RECORD = np.dtype([("open", np.float64), ("k", np.int32), ("row", np.int32), ("peak", np.float64)])
"""What is known of a record beside its value; see `RecordIndex`."""

RC = nb.types.Array(nb.from_dtype(RECORD), 1, "C", readonly=True)
RP = nb.types.Array(nb.from_dtype(PEAK_RECORD), 1, "C", readonly=True)
RECORDS = (I8, F8, RC, I8, F8, RC, I8, F8, RP)
TABLE = nb.float64[:, :, ::1]
CANDLES = (I8, F8, F8, F8, F8)
POSITIONS = (I8, I8, F8, U1, I8)
THRESHOLDS = (F8, F8, F8, F8, I8, F8, I8, F8)
