"""Every asset whose inputs fan in, compared with what it would be made from now: the manifest alone decides.

Dagster's own badge is exact between equal partitions only. Here each asset's rule says which current artifacts it would
take; what it did take is what its latest publication names. Ids follow from content, so content that was published
again changes nothing. An asset that is made from what is current, but whose inputs are themselves outdated, is not
outdated here: `not_current` follows the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import apsw

from quantlab_core.alerts.artifact_types import (
    ALERT_EVENTS,
    ALERTS,
    CALLER_ALIASES,
    MESSAGE_DISPOSITIONS,
    TELEGRAM_MESSAGES,
    TOKEN_CALLS,
)
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.candles.artifact_types import IMPORTED_CANDLES, OHLCV_SLICE, SLICE_QUARANTINE, TOKEN_CANDLES
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY
from quantlab_core.errors import IntegrityError
from quantlab_core.experiments.artifact_types import EXPERIMENT_METRICS
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.leaderboards.artifact_types import CALLER_LEADERBOARD, EXPERIMENT_LEADERBOARD
from quantlab_core.projections.artifact_types import PROJECTION_RECEIPT
from quantlab_core.token import Token
from quantlab_resources.artifacts.manifest.head_inputs import (
    HeadInputs,
    heads_with_inputs,
    last_publication_sequence,
)
from quantlab_resources.artifacts.upkeep.last_verification import last_verification
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.first_day import first_day
from quantlab_resources.freshness.days_of_files import (
    NO_DAYS,
    DaysOfExport,
    days_of_export,
    days_of_imported_file,
    has_imported_source,
)
from quantlab_resources.freshness.outdated import Outdated, compare
from quantlab_resources.lab import Lab

ALERT_SET, CANDLE_SET = "of=alerts/selection=current", "of=candles/selection=current"
CURRENT_KEY = f"selection={CURRENT}"
RESEARCH_KEY = "projection=research"
ASKED_SINCE = "candles were asked for after it was measured"

UPSTREAM: Mapping[str, tuple[str, ...]] = {
    "alert_events": (),
    "alerts": ("alert_events",),
    "alert_set": ("alerts",),
    "token_calls": ("alert_set",),
    "ohlcv_slices": ("alerts",),
    "token_candles": ("ohlcv_slices",),
    "candle_set": ("token_candles",),
    "alert_forward_coverage": ("alert_set", "candle_set"),
    "coverage_gaps": ("alert_set", "candle_set"),
    "coverage_summary": ("alert_set", "candle_set"),
    "research_projection": ("alert_set", "candle_set"),
    "caller_leaderboard": (),
    "experiment_leaderboard": (),
}
"""The assets that are judged, upstream ones first, with the judged assets that each is made from."""


@dataclass(frozen=True, slots=True)
class AssetFreshness:
    """How many artifacts or partitions of an asset were judged, which are outdated, and which inputs are damaged.

    ``damaged`` are ids among its inputs whose bytes the last `lake verify` found damaged or missing.
    """

    asset: str
    judged: int
    outdated: tuple[Outdated, ...]
    damaged: tuple[str, ...] = ()

    @property
    def partitions(self) -> tuple[str, ...]:
        """The outdated partitions of a partitioned asset, sorted."""
        return tuple(sorted({one.partition for one in self.outdated if one.partition is not None}))


def lake_freshness(lab: Lab, assets: Collection[str] = tuple(UPSTREAM)) -> dict[str, AssetFreshness]:
    """These assets of `UPSTREAM` by name, upstream ones first, as of one moment. Raises LakeNotFoundError."""
    damaged = _damaged_ids(lab)
    with lab.artifacts.manifest.reading() as connection:
        rules = _Rules(lab, connection)
        return {asset: rules.judged(asset, damaged) for asset in UPSTREAM if asset in assets}


def with_upstream(assets: Iterable[str]) -> set[str]:
    """The assets and all that are judged upstream of them, at any distance."""
    found: set[str] = set()
    waiting = list(assets)
    while waiting:
        asset = waiting.pop()
        if asset not in found:
            found.add(asset)
            waiting += UPSTREAM[asset]
    return found


def not_current(found: Mapping[str, AssetFreshness], asset: str) -> tuple[str, ...]:
    """The assets upstream of ``asset``, at any distance, that are outdated; nearest first."""
    behind: dict[str, None] = {}
    waiting = list(UPSTREAM[asset])
    for upstream in waiting:
        if found[upstream].outdated:
            behind[upstream] = None
        waiting += [further for further in UPSTREAM[upstream] if further not in waiting]
    return tuple(behind)


def _damaged_ids(lab: Lab) -> frozenset[str]:
    known = last_verification(lab.paths)
    problems = () if known is None else known.problems
    return frozenset(one.artifact_id for one in problems if one.artifact_id is not None and one.kind != "sidecar")


class _Rules:
    """The rule of every asset, over one state of the manifest."""

    def __init__(self, lab: Lab, connection: apsw.Connection) -> None:
        self._lab = lab
        self._connection = connection
        self._read: dict[str, list[HeadInputs]] = {}

    def judged(self, asset: str, damaged: frozenset[str]) -> AssetFreshness:
        """What the asset's rule says."""
        match asset:
            case "alert_events":
                made, outdated = self._of(ALERT_EVENTS), self._alert_events()
            case "alerts":
                made, outdated = self._of(ALERTS), self._alerts()
            case "alert_set":
                members = {one.artifact.artifact_id: one.artifact for one in self._filled_alerts}
                made, outdated = self._one(ARTIFACT_SET, ALERT_SET, members)
            case "token_calls":
                aliases = self._under(CALLER_ALIASES, CURRENT_KEY)
                made, outdated = self._one(TOKEN_CALLS, CURRENT_KEY, self._alert_set | aliases, needs=self._alert_set)
            case "ohlcv_slices":
                made, outdated = self._of(SLICE_QUARANTINE), self._slices()
            case "token_candles":
                made, outdated = self._of(TOKEN_CANDLES), self._series()
            case "candle_set":
                series = {one.artifact.artifact_id: one.artifact for one in self._of(TOKEN_CANDLES)}
                made, outdated = self._one(ARTIFACT_SET, CANDLE_SET, series)
            case "research_projection":
                made, outdated = self._from_both_sets(PROJECTION_RECEIPT, RESEARCH_KEY)
            case "caller_leaderboard":  # of the experiment that it was made of: its results stay
                made = self._of(CALLER_LEADERBOARD)
                outdated = [found for one in made if (found := compare(self._connection, None, one, {}))]
            case "experiment_leaderboard":
                made = self._of(EXPERIMENT_LEADERBOARD)
                metrics = self._metrics_of_completed() if made else {}
                outdated = [found for one in made if (found := compare(self._connection, None, one, metrics))]
            case _:
                spec = {str(spec.asset): spec for spec in (ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY)}
                made, outdated = self._from_both_sets(spec[asset], CURRENT_KEY)
                outdated = outdated or self._asked_since(made)
        used = frozenset().union(*(one.inputs for one in made))
        judged = len({one.partition for one in outdated if one.is_missing}) + len(made)
        return AssetFreshness(asset, judged, tuple(outdated), tuple(sorted(used & damaged)))

    def _of(self, spec: ArtifactType) -> list[HeadInputs]:
        """The heads of a type that the graph can read: their keys follow the grammar of the type."""
        if spec.name not in self._read:
            found = heads_with_inputs(self._connection, spec.name)
            self._read[spec.name] = [one for one in found if key_parts_of(one.artifact) is not None]
        return self._read[spec.name]

    def _under(self, spec: ArtifactType, key: str) -> dict[str, Artifact]:
        return {one.artifact.artifact_id: one.artifact for one in self._of(spec) if one.artifact.logical_key == key}

    @cached_property
    def _alert_set(self) -> dict[str, Artifact]:
        return self._under(ARTIFACT_SET, ALERT_SET)

    @cached_property
    def _candle_set(self) -> dict[str, Artifact]:
        return self._under(ARTIFACT_SET, CANDLE_SET)

    @cached_property
    def _filled_alerts(self) -> list[HeadInputs]:
        return [one for one in self._of(ALERTS) if one.artifact.row_count]

    def _one(
        self, spec: ArtifactType, key: str, wanted: Mapping[str, Artifact], needs: Mapping[str, Artifact] | None = None
    ) -> tuple[list[HeadInputs], list[Outdated]]:
        """An asset of one artifact; what it ``needs`` must be there for it to be missing."""
        made = [one for one in self._of(spec) if one.artifact.logical_key == key]
        if not made and not (wanted if needs is None else needs):
            return [], []
        found = compare(self._connection, None, made[0] if made else None, wanted)
        return made, [] if found is None else [found]

    def _from_both_sets(self, spec: ArtifactType, key: str) -> tuple[list[HeadInputs], list[Outdated]]:
        if not (self._alert_set and self._candle_set):
            return [one for one in self._of(spec) if one.artifact.logical_key == key], []
        return self._one(spec, key, self._alert_set | self._candle_set)

    def _asked_since(self, made: Iterable[HeadInputs]) -> list[Outdated]:
        """Coverage is measured as of when candles were last asked for, were it in vain."""
        asked = last_publication_sequence(self._connection, [OHLCV_SLICE.name, SLICE_QUARANTINE.name])
        return [
            Outdated(None, one.artifact.artifact_id, note=ASKED_SINCE)
            for one in made
            if one.last_sequence is not None and asked > one.last_sequence
        ]

    def _is_day(self, day: str) -> bool:
        """Whether the graph has a partition of this day."""
        try:
            return first_day() <= date.fromisoformat(day) <= self._lab.clock.now().date()
        except ValueError:
            return False

    def _alert_events(self) -> list[Outdated]:
        """A day is made from every export whose messages can change it, and there are events where one calls."""
        messages = {one.artifact.logical_key: one.artifact for one in self._of(TELEGRAM_MESSAGES)}
        touching: dict[str, dict[str, Artifact]] = defaultdict(dict)
        calling: set[str] = set()
        for dispositions in self._of(MESSAGE_DISPOSITIONS):
            read = messages.get(dispositions.artifact.logical_key)
            if read is not None:
                days = self._days_of_export(dispositions.artifact.artifact_id)
                calling |= days.with_events
                for day in days.touched:
                    touching[day][read.artifact_id] = read
        adopted = {one.artifact_id for spec in (ALERT_EVENTS, ALERTS) for one in self._lab.artifacts.adopted(spec.name)}
        made = _by_part(self._of(ALERT_EVENTS), "day")
        outdated = []
        for day in sorted({*made, *calling}):
            if self._is_day(day):
                heads: list[HeadInputs] | list[None] = made.get(day) or [None]
                found = (compare(self._connection, day, one, touching[day], adopted) for one in heads)
                outdated += [one for one in found if one is not None][:1]
        return outdated

    def _alerts(self) -> list[Outdated]:
        made = {_parts(one)["day"] + _parts(one).get("chain", ""): one for one in self._of(ALERTS)}
        outdated = []
        for events in self._of(ALERT_EVENTS):
            parts = _parts(events)
            own = made.get(parts["day"] + parts.get("chain", ""))
            is_adopted = events.last_sequence is None and own is not None and own.last_sequence is None
            if self._is_day(parts["day"]) and not is_adopted:
                wanted = {events.artifact.artifact_id: events.artifact}
                found = compare(self._connection, parts["day"], own, wanted)
                outdated += [] if found is None else [found]
        return outdated

    def _slices(self) -> list[Outdated]:
        """A day was asked for with all of its alerts, and after every imported file that can have its tokens.

        Days of the earlier store, of which slices are known and no asking is, count as asked for.
        """
        asked = {day: found[0] for day, found in _by_part(self._of(SLICE_QUARANTINE), "day").items()}
        alerts = _by_part(self._filled_alerts, "day")
        cut = {partition_of(OHLCV_SLICE, one.artifact.logical_key) for one in self._of(OHLCV_SLICE)}
        newer = self._newer_files(alerts, asked)
        outdated = []
        for day in sorted({*alerts, *asked}):
            made = asked.get(day)
            if not self._is_day(day) or (made is None and day in cut):
                continue
            wanted = {one.artifact.artifact_id: one.artifact for one in alerts.get(day, [])}
            found = compare(self._connection, day, made, wanted)
            if found is None and made is not None and newer[day]:
                found = Outdated(day, made.artifact.artifact_id)
            if found is not None:
                outdated.append(replace(found, newer=(*found.newer, *newer[day])))
        return outdated

    def _newer_files(self, alerts: Iterable[str], asked: Mapping[str, HeadInputs]) -> dict[str, list[str]]:
        """By day the imported files that came after it was asked for and can hold candles of it."""
        since = {day: asked[day].last_sequence or 0 for day in alerts if day in asked}
        found: dict[str, list[str]] = defaultdict(list)
        if not since or not has_imported_source(self._lab):
            return found
        for file in self._of(IMPORTED_CANDLES):
            if file.artifact.row_count and file.head_sequence > min(since.values()):
                for day in self._days_of_imported_file(file.artifact.artifact_id):
                    if day in since and file.head_sequence > since[day]:
                        found[day].append(file.artifact.artifact_id)
        return found

    def _days_of_export(self, dispositions_id: str) -> DaysOfExport:
        try:
            return days_of_export(self._lab.artifacts, dispositions_id)
        except IntegrityError:
            return NO_DAYS

    def _days_of_imported_file(self, imported_id: str) -> frozenset[str]:
        try:
            return days_of_imported_file(self._lab.artifacts, imported_id)
        except IntegrityError:
            return frozenset()

    def _series(self) -> list[Outdated]:
        slices: dict[tuple[str, str], dict[str, Artifact]] = defaultdict(dict)
        for one in self._of(OHLCV_SLICE):
            slices[_series_of(one)][one.artifact.artifact_id] = one.artifact
        made = {_series_of(one): one for one in self._of(TOKEN_CANDLES)}
        found = (compare(self._connection, key[0], made.get(key), slices[key]) for key in sorted({*made, *slices}))
        return [one for one in found if one is not None]

    def _metrics_of_completed(self) -> dict[str, Artifact]:
        entries = self._lab.artifacts.journal.list_latest(ExperimentStatus.COMPLETED)
        completed = {entry.experiment_id for entry in entries}
        heads = (one for one in self._of(EXPERIMENT_METRICS) if _parts(one).get("experiment") in completed)
        return {one.artifact.artifact_id: one.artifact for one in heads}


def _parts(one: HeadInputs) -> dict[str, str]:
    return key_parts_of(one.artifact) or {}


def _by_part(heads: Iterable[HeadInputs], part: str) -> dict[str, list[HeadInputs]]:
    found: dict[str, list[HeadInputs]] = defaultdict(list)
    for one in heads:
        found[_parts(one)[part]].append(one)
    return dict(found)


def _series_of(one: HeadInputs) -> tuple[str, str]:
    parts = _parts(one)
    return Token.from_key_parts(parts).partition_key, parts["res"]
