"""What a reader must know before believing a result, the gravest first: it stands at the top of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.coverage.summary import totals
from quantlab_core.experiments.experiment import ExperimentDefinition
from quantlab_core.experiments.selection import parse_selection
from quantlab_core.simulation.trade_intervals import LEAST_TOKENS
from quantlab_resources.reports.left_out import times_left_out
from quantlab_resources.reports.metric_values import UNDEFINED, MetricsOfKey, value_of
from quantlab_resources.reports.number_text import between, percent, share
from quantlab_resources.reports.scope_tables import fold_means
from quantlab_resources.reports.sweep_view import SweepView

FEW_TRADES, VERY_FEW_TRADES = 100, 30
GREAT_TAIL_SHARE = 0.5
GREAT_CENSORED_SHARE = 0.05
GREAT_AMBIGUOUS_SHARE = 0.02
LEAST_COVERED_SHARE = 0.95
GREAT_UNKNOWN_SHARE = 0.02
GREAT_PBO = 0.2
LEAST_DSR = 0.95

_GRAVITY = ("error", "warning", "info")
_DAY_H = 24.0
_SAID_HERE = (
    "ambiguous_trades", "censored_trades", "no_trades", "edits_unknown", "chosen_from_sets", "dsr", "pbo", "tail_share",
)  # fmt: skip
_TITLES = {
    "stale_exits": "Old prices.",
    "stress_dead_token": "Stress test.",
    "portfolio_rejections": "Not all trades are in the curve.",
    "coverage_excluded": "Poorly covered calls are left out.",
    "outside_range": "Outside the range.",
}


@dataclass(frozen=True, slots=True)
class ReportWarning:
    """One thing to know: ``level`` is ``error``, ``warning`` or ``info``."""

    level: str
    title: str
    message: str


def report_warnings(
    *,
    definition: ExperimentDefinition,
    overall: MetricsOfKey,
    trades: pa.Table,
    metrics: pa.Table,
    diagnostics: pa.Table,
    coverage: AlertCoverage | None,
    sweep: SweepView | None,
) -> list[ReportWarning]:
    """All that applies, errors first. ``trades`` and ``metrics`` are of the parameter set that the report shows."""
    found = [
        *_few(overall, trades),
        *_chosen(sweep),
        *_hindsight(definition, diagnostics),
        *_uncertain(overall),
        *_in_sample(metrics),
        *_tail(overall),
        *_censored(overall),
        *_ambiguous(overall, trades),
        *_unknown(definition, trades, diagnostics, coverage),
        *_free(trades),
        *_changed_code(definition),
        *_whole_run(diagnostics),
    ]
    return sorted(found, key=lambda one: _GRAVITY.index(one.level) if one.level in _GRAVITY else 1)


def _few(overall: MetricsOfKey, trades: pa.Table) -> Iterator[ReportWarning]:
    n = int(value_of(overall, "n_trades") or 0)
    if not n:
        yield ReportWarning(
            "error", "No trades.", f"None of {trades.num_rows:,} calls became a trade: nothing was measured."
        )
        return
    tokens = _n_tokens(trades)
    of_tokens = f"{n:,} trades in {tokens:,} tokens"
    if n < VERY_FEW_TRADES or tokens < LEAST_TOKENS:
        yield ReportWarning("error", "Far too few trades.", f"{of_tokens}: any result can be luck.")
    elif n < FEW_TRADES:
        yield ReportWarning(
            "warning", "Few trades.", f"{of_tokens}: intervals are wide, and those of the average too narrow."
        )


def _chosen(sweep: SweepView | None) -> Iterator[ReportWarning]:
    if sweep is None or sweep.n_sets < 2:
        return
    text = f"This is the best of {sweep.n_sets:,} parameter sets, chosen after looking."
    if sweep.dsr is None and sweep.pbo is None:
        yield ReportWarning("error", "Chosen after looking.", f"{text} The days are too few to say what luck did.")
        return
    facts = []
    if sweep.dsr is None:
        facts.append("The days are too few for a deflated Sharpe ratio")
    else:
        facts.append(f"The probability that it is better than luck among so many is {percent(sweep.dsr, signed=False)}")
    if sweep.pbo is not None:
        facts.append(
            f"the best set of one half of the time was below the middle on the other in "
            f"{percent(sweep.pbo, signed=False)} of splits"
        )
    is_bad = (sweep.dsr is not None and sweep.dsr < LEAST_DSR) or (sweep.pbo is not None and sweep.pbo > GREAT_PBO)
    joined = "; ".join(facts)
    yield ReportWarning(
        "error" if is_bad else "warning", "Chosen after looking.", f"{text} {joined[0].upper()}{joined[1:]}."
    )


def _hindsight(definition: ExperimentDefinition, diagnostics: pa.Table) -> Iterator[ReportWarning]:
    if parse_selection(definition.config.params.get("selection", {})).edited == "accept":
        yield ReportWarning(
            "error",
            "Hindsight is possible.",
            "Edited calls are traded from when they were sent: a token may have been written in later.",
        )
    unknown = diagnostics.filter(pc.equal(diagnostics["code"], pa.scalar("edits_unknown")))
    for row in unknown.select(["message"]).to_pylist():
        yield ReportWarning("warning", "Hindsight is possible.", _sentence(row["message"]))
    edited = times_left_out(diagnostics, "edited_call")
    if edited:
        yield ReportWarning(
            "info",
            "Edited calls.",
            f"{edited:,} calls were left out because nobody can prove what they said when they were sent.",
        )


def _uncertain(overall: MetricsOfKey) -> Iterator[ReportWarning]:
    mean = overall.get("mean_return", UNDEFINED)
    if mean.value is None:
        return
    if all(found.low is None and found.high is None for found in overall.values()):
        yield ReportWarning(
            "warning",
            "No intervals.",
            "The experiment was made without a statistics block, or has too few tokens: "
            "every number here is a point without its uncertainty.",
        )
    elif mean.low is not None and mean.high is not None and mean.low <= 0 <= mean.high:
        yield ReportWarning(
            "warning",
            "The average may be zero.",
            f"Its interval reaches from {between(mean.low, mean.high, percent)}{_of_median(overall)}.",
        )


def _of_median(overall: MetricsOfKey) -> str:
    found = overall.get("median_return", UNDEFINED)
    reach = between(found.low, found.high, percent)
    return f", that of the typical trade from {reach}" if reach else ""


def _in_sample(metrics: pa.Table) -> Iterator[ReportWarning]:
    means = fold_means(metrics)
    train, test = means["train"], means["test"]
    if not train and not test:
        text = "No time was held back. If anything about the strategy was decided by looking at these calls, "
        yield ReportWarning("warning", "In-sample.", f"{text}the numbers flatter it.")
    elif not test:
        yield ReportWarning("warning", "Nothing to test on.", "A split was asked for, and no test block has a trade.")
    else:
        yield _held_back(sum(train) / len(train) if train else None, sum(test) / len(test), len(test))


def _held_back(train: float | None, test: float, blocks: int) -> ReportWarning:
    """How the time held back compares; several blocks count the same, however many trades they have."""
    held = f"Average trade of the test {'blocks' if blocks > 1 else 'block'} {percent(test)}"
    if train is not None:
        held += f", of training {percent(train)}"
    if train is not None and train > 0 > test:
        return ReportWarning("error", "It did not hold.", f"{held}: the gain was not there in the time held back.")
    if train is not None and train > 0 and test < train / 2:
        return ReportWarning("warning", "It hardly held.", f"{held}: most of the gain was in the training.")
    return ReportWarning("info", "Training is included.", f"Numbers at the head are of all calls. {held}.")


def _tail(overall: MetricsOfKey) -> Iterator[ReportWarning]:
    tail, n = value_of(overall, "tail_share_top1pct"), int(value_of(overall, "n_trades") or 0)
    if tail is None or tail < GREAT_TAIL_SHARE:
        return
    best = -(-n // 100)
    carried = "the best trade" if best == 1 else f"the best {best:,} of {n:,} trades"
    if tail > 1:
        yield ReportWarning("error", "Carried by a few trades.", f"Without {carried} the result is a loss.")
    else:
        yield ReportWarning(
            "warning",
            "Carried by a few trades.",
            f"{carried[0].upper()}{carried[1:]} made {percent(tail, digits=0, signed=False)} of the profit. "
            "Without them it is another result.",
        )


def _censored(overall: MetricsOfKey) -> Iterator[ReportWarning]:
    censored = value_of(overall, "censored_share")
    if censored:
        level = "warning" if censored >= GREAT_CENSORED_SHARE else "info"
        yield ReportWarning(
            level,
            "Trades without an end.",
            f"{share(censored)} of trades end with the data, before stop, target or deadline; "
            "they count at the last price.",
        )


def _ambiguous(overall: MetricsOfKey, trades: pa.Table) -> Iterator[ReportWarning]:
    ambiguous = value_of(overall, "ambiguous_share")
    if not ambiguous:
        return
    low, high = (pc.mean(trades[name]).as_py() for name in ("return_pessimistic", "return_optimistic"))
    bounds = (
        f" The average trade lies between {percent(low)} and {percent(high)}, whatever happened first."
        if low is not None
        else ""
    )
    level = "warning" if ambiguous >= GREAT_AMBIGUOUS_SHARE else "info"
    yield ReportWarning(
        level, "Order within candles.", f"{share(ambiguous)} of trades met stop and target inside one candle.{bounds}"
    )


def _unknown(
    definition: ExperimentDefinition, trades: pa.Table, diagnostics: pa.Table, coverage: AlertCoverage | None
) -> Iterator[ReportWarning]:
    without = times_left_out(diagnostics, "no_candle_series")
    if trades.num_rows and without / trades.num_rows >= GREAT_UNKNOWN_SHARE:
        yield ReportWarning(
            "warning",
            "Tokens without candles.",
            f"{without:,} of {trades.num_rows:,} calls have no candles at all. "
            "If these are the tokens that died, the result is too good.",
        )
    if coverage is None:
        yield ReportWarning(
            "warning",
            "Coverage not measured.",
            "An input is damaged or gone, so nobody knows how complete the candles are.",
        )
        return
    held_h = float(definition.config.strategy.get("max_hold_min") or _DAY_H * 60) / 60
    horizons = totals(coverage.forward).to_pylist()
    judged = [row for row in horizons if row["horizon_h"] >= held_h] or horizons[-1:]
    good = judged[0]["good_share"] if judged else None
    if good is not None and good < LEAST_COVERED_SHARE:
        yield ReportWarning(
            "warning",
            "Gaps in the data.",
            f"Only {share(good)} of calls have good coverage of the {judged[0]['horizon_h']} h after them.",
        )


def _free(trades: pa.Table) -> Iterator[ReportWarning]:
    paid = [pc.sum(trades[name]).as_py() for name in ("entry_fees", "exit_fees", "slippage_cost")]
    if any(value is not None for value in paid) and not any(paid):
        yield ReportWarning(
            "warning", "Trading is free here.", "Neither fees nor slippage are taken off. No market is like that."
        )


def _changed_code(definition: ExperimentDefinition) -> Iterator[ReportWarning]:
    if definition.provenance.git_dirty:
        yield ReportWarning(
            "warning", "Uncommitted code.", "The code had changes beyond its commit: nobody can check it out as it was."
        )


def _whole_run(diagnostics: pa.Table) -> Iterator[ReportWarning]:
    for row in diagnostics.filter(pc.is_null(diagnostics["alert_id"])).select(["level", "code", "message"]).to_pylist():
        if row["code"] not in _SAID_HERE:
            title = _TITLES.get(row["code"], f"{row['code'].replace('_', ' ').capitalize()}.")
            yield ReportWarning(row["level"], title, _sentence(row["message"]))


def _n_tokens(trades: pa.Table) -> int:
    closed = trades.filter(pc.equal(trades["status"], pa.scalar("closed"))).select(["chain", "token"])
    return int(closed.group_by(["chain", "token"], use_threads=False).aggregate([]).num_rows)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
