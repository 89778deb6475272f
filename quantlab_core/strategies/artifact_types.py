"""Artifact type of strategies."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType, column

STRATEGY = ArtifactType(
    name="strategy_v1",
    version=1,
    doc="A strategy as experiments freeze it: when to enter, when to leave, what it costs. One row.",
    schema=pa.schema(
        [
            column("name", pa.string(), "name given by the author", nullable=True),
            column("description", pa.string(), "description given by the author", nullable=True),
            column("strategy_hash", pa.string(), "SHA-256 of strategy_json: equal for strategies that do the same"),
            column("entry_mode", pa.string(), "next_open or limit_dip"),
            column("stop_loss", pa.float64(), "sell all so far below the price paid", nullable=True),
            column("take_profit", pa.string(), "[[gain, fraction], …] as JSON"),
            column("trailing_stop", pa.float64(), "sell all so far below the highest high", nullable=True),
            column("max_hold_min", pa.int64(), "minutes after which the rest is sold"),
            column("intrabar", pa.string(), "stop_first, target_first or ohlc_path"),
            column("fee", pa.float64(), "fee per side, of the traded value"),
            column("slippage", pa.float64(), "slippage per side, of the price"),
            column("stake", pa.float64(), "money per alert, entry fee included"),
            column("strategy_json", pa.string(), "every key but name and description, defaults written out, as canonical JSON"),
        ]
    ),
    sort_key=("strategy_hash",),
    unique_key=("strategy_hash",),
    key_parts=("strategy",),
    asset="strategies",
)

STRATEGY_TYPES = (STRATEGY,)
