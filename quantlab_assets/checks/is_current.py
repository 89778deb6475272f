"""The check `is_current` of every asset whose inputs fan in: is it made from everything that is current?

Dagster's badge cannot say it of these; the manifest can. A newer input is a warning: something may be made again. An
input that was withdrawn or damaged is an error: what stands there rests on what nobody should use.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import dagster as dg

from quantlab_resources.freshness.changed_inputs import (
    NEWER,
    NOTE,
    REPLACED,
    WITHDRAWN,
    ChangedInput,
    changed_inputs,
)
from quantlab_resources.freshness.lake_freshness import (
    UPSTREAM,
    AssetFreshness,
    lake_freshness,
    not_current,
    with_upstream,
)

NAME = "is_current"
MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says of one asset. ``digest`` changes when that changes, and not with the number of artifacts."""

    passed: bool
    is_error: bool
    description: str
    metadata: Mapping[str, Any]
    digest: str

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """Error where an input was withdrawn or damaged."""
        return dg.AssetCheckSeverity.ERROR if self.is_error else dg.AssetCheckSeverity.WARN

    def of(self, asset: str) -> dict[str, Any]:
        """As the fields that a result of the check and a reported evaluation have in common."""
        return {
            "asset_key": dg.AssetKey(asset),
            "check_name": NAME,
            "passed": self.passed,
            "severity": self.severity,
            "description": self.description,
            "metadata": self.metadata,
        }


def verdict_of(found: Mapping[str, AssetFreshness], asset: str) -> Verdict:
    """The verdict on ``asset``, as `lake_freshness` found it, with at most `MOST_ROWS` changed inputs by id."""
    own, upstream = found[asset], not_current(found, asset)
    changes = list(changed_inputs(own.outdated))
    kinds = [change.change for change in changes]
    counts = {kind: kinds.count(kind) for kind in (NEWER, REPLACED, WITHDRAWN, NOTE) if kind in kinds}
    missing = sum(one.is_missing for one in own.outdated)
    parts = []
    if own.damaged:
        parts.append(
            f"{len(own.damaged):,} inputs damaged or gone, the first {own.damaged[0]}; see `quantlab lake verify`"
        )
    if own.outdated:
        of = f"{len(own.outdated):,} of {own.judged:,} are " if own.judged > 1 else ""
        why = ", ".join(own.outdated[0].note if kind == NOTE else f"{n:,} {kind}" for kind, n in counts.items())
        parts.append(f"{of}not current{f' ({missing:,} never made)' if missing else ''}: {why}")
    if upstream:
        parts.append(f"upstream not current: {', '.join(upstream)}")
    metadata: dict[str, Any] = {"judged": own.judged, "outdated": len(own.outdated), "damaged inputs": len(own.damaged)}
    metadata |= counts
    if changes:
        metadata["changed inputs"] = dg.MetadataValue.table([_row(change) for change in changes[:MOST_ROWS]])
        if len(changes) > MOST_ROWS:
            metadata["not shown"] = len(changes) - MOST_ROWS
    return Verdict(
        passed=not parts,
        is_error=bool(own.damaged) or WITHDRAWN in counts,
        description="; ".join(parts) or "made from everything that is current",
        metadata=metadata,
        digest=hashlib.sha256(json.dumps([[*map(astuple, changes)], own.damaged, upstream]).encode()).hexdigest()[:16],
    )


def _row(change: ChangedInput) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "partition": change.partition,
            "made": change.made or "never",
            "change": change.change,
            "input": change.input_id,
            "replaced by": change.replaced_by,
        }
    )


@dg.multi_asset_check(
    name="freshness_checks",
    specs=[
        dg.AssetCheckSpec(
            NAME,
            asset=asset,
            description="Whether it is made from everything that is current, by the manifest. Newer, replaced,"
            " withdrawn and damaged inputs are named, and assets upstream that are not current.",
        )
        for asset in UPSTREAM
    ],
    can_subset=True,
    required_resource_keys={"lab"},
)
def freshness_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """All that are asked for, from one look at the manifest."""
    keys = sorted(context.selected_asset_check_keys)
    judged = with_upstream(key.asset_key.to_user_string() for key in keys)
    found = lake_freshness(context.resources.lab.get(), judged)
    for key in keys:
        asset = key.asset_key.to_user_string()
        yield dg.AssetCheckResult(**verdict_of(found, asset).of(asset))
