"""What a ClickHouse source is told besides its address: table, columns, units and limits, from a small YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, ValidationError

from quantlab_core.errors import InvalidInputError, NotFoundError
from quantlab_resources.candles.files.candle_declaration import PriceUnit, VolumeUnit

CONFIG_VARIABLE = "QUANTLAB_CLICKHOUSE_CONFIG"
_MAX_CONFIG_BYTES = 64 * 1024

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name of a table or column: any printable text, since ClickHouse allows it; it is quoted where it is used."""


class ColumnNames(BaseModel):
    """The table's own name of every column; what is not named has its usual name (see `candle_table`).

    ``pool`` is named where candles are kept by pool address; it has no usual name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    token_address: Identifier | None = None
    chain: Identifier | None = None
    timestamp: Identifier | None = None
    interval: Identifier | None = None
    open: Identifier | None = None
    high: Identifier | None = None
    low: Identifier | None = None
    close: Identifier | None = None
    volume: Identifier | None = None
    quality: Identifier | None = None
    ingested_at: Identifier | None = None
    pool: Identifier | None = None


class ClickHouseConfig(BaseModel):
    """``settle_seconds``: candles younger than this are not asked for, since they may still be ingested.

    ``silence`` says whose absence of candles is silence: every token's (``table``: whoever fills the table asks for all
    of them), or only that of tokens the table has candles of (``token``): others may never have been asked for.
    ``chains`` maps the table's spelling of a chain to the name here, where `normalise_chain` does not know it.
    ``read_timeout_seconds`` is for one wait on the server and for one query; ``attempts`` counts the first one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    table: Identifier | None = None
    columns: ColumnNames = ColumnNames()
    chains: dict[str, str] = Field(default_factory=dict)
    price_unit: PriceUnit = "usd"
    volume_unit: VolumeUnit = "unknown"
    silence: Literal["token", "table"] = "token"
    settle_seconds: Annotated[int, Field(ge=0)] = 300
    connect_timeout_seconds: PositiveInt = 10
    read_timeout_seconds: PositiveInt = 120
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    max_answer_mib: PositiveInt = 1024
    ca_file: str | None = None


def read_config(path: str | Path) -> ClickHouseConfig:
    """The configuration in a YAML file; an empty file means all defaults. Raises NotFoundError, InvalidInputError."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise NotFoundError(f"{path}: file of {CONFIG_VARIABLE} not found ({error.strerror or error})") from error
    if len(text) > _MAX_CONFIG_BYTES:
        raise InvalidInputError(f"{path}: more than {_MAX_CONFIG_BYTES // 1024} KiB; it is no ClickHouse configuration")
    try:
        return ClickHouseConfig.model_validate(yaml.safe_load(text) or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidInputError(f"{path}: {where}: {first['msg']}; see docs/candles.md, ClickHouse") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise InvalidInputError(f"{path}: not readable as YAML ({why[:200]})") from error
