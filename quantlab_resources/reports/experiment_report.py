"""The report of one experiment or sweep: a single HTML page that needs nothing else, equal bytes for equal inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.coverage.measured_coverage import AlertCoverage
from quantlab_core.experiments.chosen_set import reported_param_id
from quantlab_core.experiments.experiment import Experiment
from quantlab_core.experiments.experiment_params import parse_params
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.statistics.statistics_config import StatisticsConfig, parse_statistics
from quantlab_core.token import Token
from quantlab_resources.reports.charts import curve_text, equity_curve_svg
from quantlab_resources.reports.coverage_view import coverage_view
from quantlab_resources.reports.headline_figures import headline, story
from quantlab_resources.reports.left_out import left_out
from quantlab_resources.reports.metric_values import metrics_by_key
from quantlab_resources.reports.page_templates import page
from quantlab_resources.reports.record_facts import environment_facts, lineage_facts, output_facts
from quantlab_resources.reports.report_warnings import report_warnings
from quantlab_resources.reports.return_distribution import (
    costs,
    distribution,
    distribution_text,
    exit_rows,
    quantile_rows,
)
from quantlab_resources.reports.scope_tables import (
    CALLER_COLUMNS,
    MOST_CALLERS,
    SCOPE_COLUMNS,
    caller_rows,
    fold_rows,
    is_no_ranking,
    month_rows,
)
from quantlab_resources.reports.strategy_rules import flat_settings, strategy_rules
from quantlab_resources.reports.sweep_view import sweep_view
from quantlab_resources.reports.trade_cards import picked_trades, trade_cards


def render_experiment_report(
    *,
    experiment: Experiment,
    trades: pa.Table,
    fills: pa.Table,
    metrics: pa.Table,
    curves: pa.Table,
    diagnostics: pa.Table,
    parameter_sets: pa.Table | None = None,
    candles: Mapping[Token, CandleSeries] | None = None,
    coverage: AlertCoverage | None = None,
    lineage_note: str = "",
    param_id: str | None = None,
) -> str:
    """One HTML page for an experiment's result tables, each in the schema of its artifact type.

    ``parameter_sets`` is there for a sweep (columns as `sweep_view` says). The page shows the set ``param_id``: by
    default the chosen one of a sweep, else the only one. ``candles`` are the series of `shown_tokens`; a trade whose
    token is not among them has no chart. ``coverage`` is that of its alerts by its candles; None says that it could not
    be measured. ``lineage_note`` is a sentence on where the inputs come from. Every text from outside is escaped. The
    page loads nothing from anywhere. Raises InvalidInputError for parameter sets without a chosen one.
    """
    param_id = param_id or reported_param_id(parameter_sets)
    trades, metrics, curves = (of_param(table, param_id) for table in (trades, metrics, curves))
    fills = fills.filter(pc.is_in(fills["trade_id"], value_set=pc.unique(trades["trade_id"])))
    overall = metrics_by_key(metrics, "all").get("all", {})
    definition = experiment.definition
    params = definition.config.params
    statistics = parse_statistics(params["statistics"]) if "statistics" in params else StatisticsConfig()
    sweep = None
    if parameter_sets is not None:
        asked = parse_params(params).sweep
        sweep = sweep_view(parameter_sets, overall, chosen_by=asked.choose_by if asked else "")
    callers = caller_rows(trades, metrics, samples=statistics.samples or 1_000, seed=int(params.get("seed") or 0))
    picked = picked_trades(trades)
    bins, quantiles = distribution(trades), quantile_rows(overall)
    return page(
        "experiment_report.html",
        experiment=experiment,
        definition=definition,
        provenance=definition.provenance,
        story=story(overall, trades),
        warnings=report_warnings(
            definition=definition,
            overall=overall,
            trades=trades,
            metrics=metrics,
            diagnostics=diagnostics,
            coverage=coverage,
            sweep=sweep,
        ),
        figures=headline(overall),
        level=f"{100 * statistics.level:g}\u202f%",
        sweep=sweep,
        charts={
            "wide": equity_curve_svg(curves),
            "narrow": equity_curve_svg(curves, is_narrow=True),
            "text": curve_text(curves),
        },
        coverage=None if coverage is None else coverage_view(coverage),
        bins=bins,
        bins_text=distribution_text(bins),
        quantiles=quantiles,
        has_intervals=any(row.interval for row in quantiles),
        exits=exit_rows(trades),
        costs=costs(trades, fills),
        callers=callers[:MOST_CALLERS],
        is_no_ranking=is_no_ranking(callers),
        more_callers=len(callers) - MOST_CALLERS,
        caller_columns=CALLER_COLUMNS,
        months=month_rows(metrics),
        folds=fold_rows(metrics),
        scope_columns=SCOPE_COLUMNS,
        best=trade_cards(picked.best, fills, candles or {}, picked.others),
        worst=trade_cards(picked.worst, fills, candles or {}, picked.others),
        left_out=left_out(diagnostics),
        rules=strategy_rules(definition.config.strategy),
        params=flat_settings(params),
        config_json=json.dumps(
            {"strategy": definition.config.strategy, "params": params},
            indent=2,
            sort_keys=True,
            ensure_ascii=False,
            default=dict,
        ),
        lineage=lineage_facts(experiment),
        outputs=output_facts(experiment.outputs),
        environment=environment_facts(definition.provenance),
        lineage_note=lineage_note,
    )


def shown_tokens(trades: pa.Table, parameter_sets: pa.Table | None = None) -> set[Token]:
    """The tokens whose candles the page of these tables draws."""
    return picked_trades(of_param(trades, reported_param_id(parameter_sets))).tokens


def of_param(table: pa.Table, param_id: str) -> pa.Table:
    """The rows of one parameter set."""
    return table.filter(pc.equal(table["param_id"], pa.scalar(param_id)))
