"""Identity of experiments: the hash of what can change a result, the id made from it, and the definition as JSON."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment import (
    DateRange,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
)
from quantlab_core.experiments.provenance_document import provenance_document, provenance_of

_LONGEST_SLUG = 60


def definition_hash(
    *,
    alert_set_content_hash: str,
    candle_set_content_hash: str,
    config: ExperimentConfig,
    engine_version: str,
    caller_aliases_content_hash: str | None = None,
) -> str:
    """SHA-256 (64 hex digits) of what an experiment's results depend on.

    Frozen sets and caller aliases, if any, enter by content, the configuration in canonical form (defaults written
    out). Time, commit, name and description are recorded beside the definition and do not enter. Raises StrategyError
    or InvalidInputError.
    """
    # Programs that only read definitions do without the engine's configuration: a third of their start.
    from quantlab_core.experiments.checked_config import check_config

    identity = {
        "alertSet": alert_set_content_hash,
        "candleSet": candle_set_content_hash,
        "config": check_config(config).identity(),
        "engineVersion": engine_version,
    }
    if caller_aliases_content_hash is not None:
        identity["callerAliases"] = caller_aliases_content_hash
    return hashlib.sha256(_canonical_json(identity).encode()).hexdigest()


def experiment_id_for(name: str, definition_hash: str) -> str:
    """``<slug of name>__<first 8 hex digits>``: fit for logical keys and partition keys."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_SLUG].strip("-")
    return f"{slug or 'experiment'}__{definition_hash[:8]}"


def encode_definition(definition: ExperimentDefinition) -> str:
    """The definition as canonical JSON: camelCase, keys sorted, absent values left out."""
    config = definition.config
    date_range = {"from": config.date_range.from_, "to": config.date_range.to}
    document: dict[str, Any] = {
        "experimentId": definition.experiment_id,
        "name": definition.name,
        "inputs": {"alerts": list(definition.inputs.alerts), "ohlcv": list(definition.inputs.ohlcv)},
        "config": {
            "strategy": config.strategy,
            "dateRange": {bound: text for bound, text in date_range.items() if text is not None},
            "params": config.params,
        },
        "provenance": provenance_document(definition.provenance),
        "alertSetId": definition.alert_set_id,
        "candleSetId": definition.candle_set_id,
    }
    if definition.caller_aliases_id is not None:
        document["callerAliasesId"] = definition.caller_aliases_id
    if definition.strategy_id is not None:
        document["strategyId"] = definition.strategy_id
    if definition.description is not None:
        document["description"] = definition.description
    if definition.inputs.strategies:
        document["inputs"]["strategies"] = list(definition.inputs.strategies)
    return _canonical_json(document)


def decode_definition(text: str) -> ExperimentDefinition:
    """The inverse of `encode_definition`. Raises InvalidInputError naming the part that is missing."""
    try:
        document = json.loads(text)
        inputs, config, provenance = document["inputs"], document["config"], document["provenance"]
        return ExperimentDefinition(
            experiment_id=document["experimentId"],
            name=document["name"],
            description=document.get("description"),
            inputs=ExperimentInputs(
                tuple(inputs["alerts"]), tuple(inputs["ohlcv"]), tuple(inputs.get("strategies", ()))
            ),
            config=ExperimentConfig(
                strategy=config["strategy"],
                date_range=DateRange(config["dateRange"].get("from"), config["dateRange"].get("to")),
                params=config["params"],
            ),
            provenance=provenance_of(provenance),
            alert_set_id=document["alertSetId"],
            candle_set_id=document["candleSetId"],
            caller_aliases_id=document.get("callerAliasesId"),
            strategy_id=document.get("strategyId"),
        )
    except KeyError as error:
        raise InvalidInputError(f"experiment definition: {error.args[0]} is missing") from None
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"experiment definition: not the JSON object it must be ({error})") from None


def _canonical_json(document: Any) -> str:
    try:
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"experiment definition: not expressible as JSON ({error})") from None
