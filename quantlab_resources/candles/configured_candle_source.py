"""Which candle source a lab asks: what was imported, a folder of candle files, or a ClickHouse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.candles.candle_source import CandleSource
from quantlab_core.clock import Clock
from quantlab_core.errors import InvalidInputError

CANDLES_VARIABLE = "QUANTLAB_CANDLES"


def configured_candle_source(
    store: ArtifactStore, *, clock: Clock, environment: Mapping[str, str] | None = None
) -> CandleSource:
    """The source that ``QUANTLAB_CANDLES`` names; unset or empty, the files that were imported into ``store``.

    ``chdb:///folder`` and ``clickhouse://user@host:port/database`` are a ClickHouse, anything without ``://`` is a
    folder of candle files. Nothing is opened before it is asked. Raises InvalidInputError, NotFoundError.
    """
    variables = os.environ if environment is None else environment
    named = variables.get(CANDLES_VARIABLE, "").strip()
    if not named:
        from quantlab_resources.candles.imported_candle_source import ImportedCandleSource

        return ImportedCandleSource(store)
    scheme, separator, _ = named.partition("://")
    if not separator:
        from quantlab_resources.candles.folder_candle_source import FolderCandleSource

        return FolderCandleSource(Path(named).expanduser(), clock=clock)
    if scheme not in ("chdb", "clickhouse"):
        raise InvalidInputError(
            f"{CANDLES_VARIABLE} begins with {scheme}://; it can be a folder, chdb:///folder or "
            "clickhouse://user@host:port/database"
        )
    return _clickhouse(named, variables, clock)


def _clickhouse(url: str, variables: Mapping[str, str], clock: Clock) -> CandleSource:
    from quantlab_resources.candles.clickhouse.clickhouse_address import PASSWORD_VARIABLE, parse_address
    from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
    from quantlab_resources.candles.clickhouse.clickhouse_config import CONFIG_VARIABLE, ClickHouseConfig, read_config
    from quantlab_resources.candles.clickhouse.clickhouse_connection import ClickHouseConnection

    address = parse_address(url)
    path = variables.get(CONFIG_VARIABLE, "").strip()
    config = read_config(Path(path).expanduser()) if path else ClickHouseConfig()
    connection = ClickHouseConnection(address, config, password=variables.get(PASSWORD_VARIABLE, ""))
    return ClickHouseCandleSource(connection, config, clock=clock)
