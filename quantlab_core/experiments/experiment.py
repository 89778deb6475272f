"""Experiments: what was frozen, where they stand, what came out. Names after the requirements' types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from quantlab_core.code_provenance import DeterminismSettings, EnvironmentIdentity
from quantlab_core.errors import IllegalTransitionError


class ExperimentStatus(StrEnum):
    """The five states of the requirements."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


LEGAL_TRANSITIONS: Mapping[ExperimentStatus, frozenset[ExperimentStatus]] = {
    ExperimentStatus.PENDING: frozenset({ExperimentStatus.RUNNING, ExperimentStatus.CANCELLED}),
    ExperimentStatus.RUNNING: frozenset(
        {ExperimentStatus.COMPLETED, ExperimentStatus.FAILED, ExperimentStatus.CANCELLED}
    ),
    ExperimentStatus.COMPLETED: frozenset(),
    ExperimentStatus.FAILED: frozenset({ExperimentStatus.RUNNING}),
    ExperimentStatus.CANCELLED: frozenset({ExperimentStatus.RUNNING}),
}
"""A failed or cancelled experiment may run again: that is a new attempt. A completed one never changes."""


def check_transition(experiment_id: str, current: ExperimentStatus, new: ExperimentStatus) -> None:
    """Raise IllegalTransitionError unless ``current`` → ``new`` is allowed."""
    if new not in LEGAL_TRANSITIONS[current]:
        allowed = ", ".join(sorted(LEGAL_TRANSITIONS[current])) or "nothing: it is final"
        raise IllegalTransitionError(
            f"experiment {experiment_id} is {current} and cannot become {new} (allowed: {allowed})"
        )


@dataclass(frozen=True, slots=True)
class ExperimentInputs:
    """The frozen inputs, as the caller gave them; ids of artifacts or of artifact sets."""

    alerts: tuple[str, ...]
    ohlcv: tuple[str, ...]
    strategies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DateRange:
    """Alerts from ``from_`` (inclusive) to ``to``: a date is inclusive, a time is exclusive. UTC; None is unbounded."""

    from_: str | None
    to: str | None


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """How to simulate: the strategy's mapping (see docs/strategies.md), the range of alerts and further parameters.

    ``params`` holds the blocks beside the strategy: ``portfolio``, ``selection``, ``stress``, ``statistics``, ``sweep``
    and ``seed``.
    """

    strategy: Mapping[str, Any]
    date_range: DateRange
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sweep(self) -> bool:
        """Whether many parameter sets are tried."""
        return "sweep" in self.params


@dataclass(frozen=True, slots=True)
class ExperimentProvenance:
    """Who made it, recorded beside the definition and no part of its identity. ``created_at`` is UTC text.

    ``patch_hash`` is that of what the code had beyond its commit, ``patch_artifact_id`` the artifact that keeps it.
    Both are None for a clean tree; environment and settings where the definition came from another program, and for
    experiments from before they were recorded.
    """

    git_commit: str
    git_dirty: bool
    engine_version: str
    created_at: str
    patch_hash: str | None = None
    patch_artifact_id: str | None = None
    environment: EnvironmentIdentity | None = None
    determinism: DeterminismSettings | None = None


@dataclass(frozen=True, slots=True)
class ExperimentDefinition:
    """All that an experiment is made of. ``alert_set_id`` and ``candle_set_id`` are the frozen sets of ``inputs``.

    ``caller_aliases_id`` is the artifact that says which callers are one person; None: every caller is one.
    ``strategy_id`` is the published strategy whose mapping is in ``config``; None before strategies were published.
    """

    experiment_id: str
    name: str
    inputs: ExperimentInputs
    config: ExperimentConfig
    provenance: ExperimentProvenance
    alert_set_id: str
    candle_set_id: str
    description: str | None = None
    caller_aliases_id: str | None = None
    strategy_id: str | None = None

    @property
    def pinned_ids(self) -> tuple[str, ...]:
        """The artifacts that the results are made from, which are the inputs of the stored definition."""
        others = (self.caller_aliases_id, self.strategy_id)
        return (self.alert_set_id, self.candle_set_id, *(pinned for pinned in others if pinned is not None))


@dataclass(frozen=True, slots=True)
class ExperimentResults:
    """Artifact ids of the outputs. Only a sweep has ``parameter_sets_artifact_id``."""

    trades_artifact_id: str | None = None
    fills_artifact_id: str | None = None
    metrics_artifact_id: str | None = None
    curves_artifact_id: str | None = None
    parameter_sets_artifact_id: str | None = None
    diagnostics_artifact_id: str | None = None
    outcome_artifact_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExperimentExecution:
    """The latest attempt. Times are UTC text, ``duration_s`` is in seconds."""

    attempt: int
    started_at: str
    completed_at: str | None = None
    duration_s: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A definition with its present state. ``definition_artifact_id`` is where the definition is stored."""

    definition: ExperimentDefinition
    definition_artifact_id: str
    status: ExperimentStatus
    outputs: ExperimentResults | None = None
    execution: ExperimentExecution | None = None


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Which experiments to list; every given condition must hold."""

    status: ExperimentStatus | None = None
    artifact_type: str | None = None
    git_commit: str | None = None
    min_created_at: str | None = None
    max_created_at: str | None = None
    limit: int | None = 100


@dataclass(frozen=True, slots=True)
class ExperimentTransition:
    """One line of the experiment journal: a change of status, with what belongs to it.

    ``output_keys`` names, for a completed attempt, which published logical key is which output
    (``{"trades": "experiment=…/trades", …}``), so that outputs and outcome are recorded in one transaction.
    """

    experiment_id: str
    status: ExperimentStatus
    error: str | None = None
    output_keys: Mapping[str, str] = field(default_factory=dict)


MatchMode = Literal["any", "all"]
