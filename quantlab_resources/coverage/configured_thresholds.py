"""The coverage thresholds that somebody asked for: named with the call, else in the environment, else the defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping

from quantlab_core.coverage.thresholds import DEFAULT_THRESHOLDS, Thresholds
from quantlab_core.errors import InvalidInputError

GOOD_VARIABLE = "QUANTLAB_COVERAGE_GOOD"
PARTIAL_VARIABLE = "QUANTLAB_COVERAGE_PARTIAL"


def configured_thresholds(
    good: float | None = None,
    partial: float | None = None,
    *,
    default: Thresholds = DEFAULT_THRESHOLDS,
    environment: Mapping[str, str] | None = None,
) -> Thresholds:
    """``good`` and ``partial`` where they are given, else QUANTLAB_COVERAGE_GOOD and _PARTIAL, else of ``default``.

    An empty variable counts as unset. Raises InvalidInputError.
    """
    variables = os.environ if environment is None else environment
    return Thresholds(
        _number(variables, GOOD_VARIABLE, default.good) if good is None else good,
        _number(variables, PARTIAL_VARIABLE, default.partial) if partial is None else partial,
    )


def _number(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name) or repr(default)
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(f"{name} is {text!r}; expected a share such as {default}") from None
