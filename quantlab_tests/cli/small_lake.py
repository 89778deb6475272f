"""A small lake made through the command line: three calls of two tokens on two days, and their candles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from quantlab_cli.main import cli

FIRST_TOKEN = "4dAMSCFsAb17oDXteLAZ2QwsaF3jbdnjRZNzikhapump"  # noqa: S105 - a token is a coin here
SECOND_TOKEN = "87HFAAE93T6sxSAaj7JXVsDk8HzLgxWQDvVYTS8spump"  # noqa: S105
FIRST_CALL = datetime(2025, 5, 1, 12, tzinfo=UTC)
SECOND_CALL = datetime(2025, 5, 2, 9, tzinfo=UTC)
THIRD_CALL = datetime(2025, 5, 2, 18, 30, tzinfo=UTC)
CANDLES_FROM = datetime(2025, 5, 1, 10, tzinfo=UTC)
CANDLES_TO = datetime(2025, 5, 4, tzinfo=UTC)


def call_quantlab(*arguments: str | Path, home: Path | None = None) -> Result:
    """The command run in this process; ``home`` is passed as --home."""
    line = [str(argument) for argument in arguments] + ([] if home is None else ["--home", str(home)])
    return CliRunner().invoke(cli, line, prog_name="quantlab")


@dataclass(frozen=True)
class SmallLake:
    """``experiment_id`` is completed. ``export`` and ``candles`` are the files that the lake was made from."""

    home: Path
    export: Path
    candles: Path
    experiment_id: str

    def call(self, *arguments: str | Path) -> Result:
        return call_quantlab(*arguments, home=self.home)

    def json(self, *arguments: str | Path) -> Any:
        result = self.call(*arguments, "--format", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def artifact_ids(self) -> set[str]:
        return {artifact["artifactId"] for artifact in self.json("artifacts", "list", "--limit", "10000")}


def message(number: int, sent: datetime, text: str, sender: str = "Ada") -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": sent.strftime("%Y-%m-%dT%H:%M:%S"),
        "date_unixtime": str(int(sent.timestamp())),
        "from": sender,
        "from_id": f"user{sum(sender.encode())}",
        "text": text,
        "text_entities": [{"type": "plain", "text": text}],
    }


def write_export(path: Path, messages: Sequence[dict[str, Any]]) -> Path:
    document = {"name": "Small Calls", "type": "private_supergroup", "id": 1800000001, "messages": list(messages)}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def small_export(path: Path) -> Path:
    return write_export(
        path,
        [
            message(1, FIRST_CALL - timedelta(hours=2), "good morning"),
            message(2, FIRST_CALL, FIRST_TOKEN),
            message(3, SECOND_CALL, f"this one\n{SECOND_TOKEN}", sender="Grace"),
            message(4, THIRD_CALL, FIRST_TOKEN, sender="Grace"),
        ],
    )


def small_candles(path: Path) -> Path:
    """Prices that rise by a tenth an hour for 20 hours and then fall back; one more row has its high below its low."""
    lines = ["ts,token_address,chain,open,high,low,close,volume"]
    minutes = int((CANDLES_TO - CANDLES_FROM).total_seconds() // 60)
    for token in (FIRST_TOKEN, SECOND_TOKEN):
        for minute in range(minutes):
            hour = minute // 60 % 40
            price = 0.001 * (1 + 0.1 * min(hour, 40 - hour))
            stamp = (CANDLES_FROM + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"{stamp},{token},solana,{price},{price * 1.01},{price * 0.99},{price},500")
    lines.append(f"2025-05-01T09:59:00Z,{FIRST_TOKEN},solana,1,0.5,0.9,1,10")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_small_lake(folder: Path) -> SmallLake:
    home = folder / "lake"
    export, candles = small_export(folder / "result.json"), small_candles(folder / "candles.csv")
    for arguments in (("alerts", "ingest", export), ("ohlcv", "import", candles)):
        result = call_quantlab(*arguments, home=home)
        assert result.exit_code == 0, result.output
    created = call_quantlab(
        "experiments", "create", "--name", "small", "--strategy", "hold_24h", "--format", "json", home=home
    )
    assert created.exit_code == 0, created.output
    experiment_id = json.loads(created.stdout)["experimentId"]
    executed = call_quantlab("experiments", "execute", experiment_id, home=home)
    assert executed.exit_code == 0, executed.output
    return SmallLake(home, export, candles, experiment_id)
