"""What a reader of a sweep must know first: of how many sets the best was chosen, and what is left of it after that."""

from __future__ import annotations

import json
from collections.abc import Iterator

from quantlab_core.experiments.diagnostics import Entry
from quantlab_core.experiments.parameter_sets import ParameterSets
from quantlab_core.experiments.sweep_choice import Choice
from quantlab_core.experiments.sweep_config import SweepConfig
from quantlab_core.statistics.sweep_statistics import SweepStatistics

CONVINCING = 0.95
"""A deflated Sharpe ratio below it is no evidence at the usual level."""
COIN = 0.5
"""A probability of overfitting from here on says that choosing by the past was no better than a coin."""
HEAVY_TAIL = 0.5
"""A best hundredth of the trades that makes so much of the total is worth a warning."""
_MOST_REASONS = 3


def sweep_entries(
    found: ParameterSets, choice: Choice, evidence: SweepStatistics, sweep: SweepConfig
) -> tuple[Entry, ...]:
    """The entries that come before all others of a sweep's diagnostics."""
    return (
        _chosen(found, choice, evidence, sweep),
        _deflated(evidence),
        _overfitting(evidence),
        _tail(evidence),
        *_left_out(found),
    )


def _chosen(found: ParameterSets, choice: Choice, evidence: SweepStatistics, sweep: SweepConfig) -> Entry:
    chosen, n_sets = found.sets[choice.number], len(found)
    if n_sets == 1:
        message = f"set {chosen.param_id} is the only one that was tried"
    elif choice.value is None:
        message = (
            f"set {chosen.param_id} stands for all {n_sets:,} sets as the first by id: none has a value of "
            f"{sweep.choose_by}, so none is better than another"
        )
    else:
        message = (
            f"set {chosen.param_id} was chosen from {n_sets:,} sets by {sweep.choose_by} ({choice.value:.4g}): "
            "the best of many looks better than it is, see dsr and pbo"
        )
        if choice.n_equals:
            message += f"; {choice.n_equals:,} other sets are as good, it is the first of them by id"
    context = {
        "param_id": chosen.param_id,
        "parameters": dict(chosen.changes),
        "n_sets": n_sets,
        "n_excluded": len(found.excluded),
        "n_merged": found.n_merged,
        "choose_by": sweep.choose_by,
        "value": choice.value,
        "n_days": evidence.n_days,
    }
    return Entry("info" if n_sets == 1 else "warning", "chosen_from_sets", message, context=context)


def _deflated(evidence: SweepStatistics) -> Entry:
    if evidence.dsr is None:
        return Entry("warning", "dsr", f"the deflated Sharpe ratio is not known: {evidence.reason}")
    message = (
        f"deflated Sharpe ratio {evidence.dsr:.3f}: the probability that the chosen set's true Sharpe ratio is above "
        f"{evidence.expected_max_sharpe:.3g} a day, what luck gives the best of {evidence.n_trials:,}"
    )
    context = {
        "dsr": evidence.dsr,
        "psr": evidence.psr,
        "sharpe": evidence.sharpe,
        "expected_max_sharpe": evidence.expected_max_sharpe,
        "n_trials": evidence.n_trials,
        "n_days": evidence.n_days,
    }
    return Entry("info" if evidence.dsr >= CONVINCING else "warning", "dsr", message, context=context)


def _overfitting(evidence: SweepStatistics) -> Entry:
    overfitting = evidence.overfitting
    if overfitting.pbo is None:
        return Entry("warning", "pbo", f"the probability of overfitting is not known: {overfitting.reason}")
    message = (
        f"probability of overfitting {overfitting.pbo:.3f}: so often the best set by Sharpe ratio of one half of the "
        "days was in the lower half of all sets on the other"
    )
    context = {
        "pbo": overfitting.pbo,
        "probability_of_loss": overfitting.probability_of_loss,
        "n_blocks": overfitting.n_blocks,
        "n_splits": overfitting.n_splits,
    }
    return Entry("info" if overfitting.pbo < COIN else "warning", "pbo", message, context=context)


def _tail(evidence: SweepStatistics) -> Entry:
    share = evidence.tail_share
    if share is None:
        return Entry(
            "warning", "tail_share", "the chosen set has no profit, so no share of it hangs on its best trades"
        )
    message = f"{share:.0%} of the chosen set's total return comes from the best hundredth of its trades"
    level = "info" if share < HEAVY_TAIL else "warning"
    return Entry(level, "tail_share", message, context={"tail_share_top1pct": share})


def _left_out(found: ParameterSets) -> Iterator[Entry]:
    if found.excluded:
        reasons: dict[str, int] = {}
        for one in found.excluded:
            reasons[one.reason] = reasons.get(one.reason, 0) + 1
        first = "; ".join(
            f"{count:,} x {reason}" if count > 1 else f"{json.dumps(dict(_example(found, reason)))}: {reason}"
            for reason, count in list(reasons.items())[:_MOST_REASONS]
        )
        more = "" if len(reasons) <= _MOST_REASONS else f"; and {len(reasons) - _MOST_REASONS} more reasons"
        yield Entry(
            "warning",
            "sets_left_out",
            f"{len(found.excluded):,} parameter sets contradict themselves and were not tried: {first}{more}",
            context={"count": len(found.excluded)},
        )
    if found.n_merged:
        yield Entry(
            "info",
            "sets_merged",
            f"{found.n_merged:,} parameter sets mean the same as one that was tried and count once",
            context={"count": found.n_merged},
        )


def _example(found: ParameterSets, reason: str) -> dict[str, object]:
    return dict(next(one.changes for one in found.excluded if one.reason == reason))
