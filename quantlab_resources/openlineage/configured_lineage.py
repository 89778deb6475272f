"""Which destination the environment names, and the outbox and positions of a lab."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantlab_core.errors import InvalidInputError
from quantlab_resources.openlineage.delivery_positions import DeliveryPositions
from quantlab_resources.openlineage.lineage_destination import LineageDestination
from quantlab_resources.openlineage.lineage_outbox import LineageOutbox

if TYPE_CHECKING:
    from quantlab_resources.lab import Lab

DESTINATION_VARIABLE = "QUANTLAB_OPENLINEAGE"
API_KEY_VARIABLE = "QUANTLAB_OPENLINEAGE_API_KEY"
NAMESPACE_VARIABLE = "QUANTLAB_OPENLINEAGE_NAMESPACE"
_NAMESPACE = re.compile(r"[A-Za-z0-9:;=/_.@+-]{1,255}")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What sending needs of one lake."""

    outbox: LineageOutbox
    positions: DeliveryPositions


def lineage_of(lab: Lab, environment: Mapping[str, str] | None = None) -> Lineage:
    """The outbox of a lab's lake; ``QUANTLAB_OPENLINEAGE_NAMESPACE`` can name it. Raises InvalidInputError."""
    variables = os.environ if environment is None else environment
    namespace = variables.get(NAMESPACE_VARIABLE, "").strip() or None
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        raise InvalidInputError(
            f"{NAMESPACE_VARIABLE} may have letters, digits and :;=/_.@+- only, at most 255 of them"
        )
    return Lineage(
        LineageOutbox(lab.catalogue.manifest, lab.paths.events, namespace=namespace),
        DeliveryPositions(lab.paths.lineage_positions, clock=lab.clock),
    )


def configured_destination(
    lab: Lab,
    named: str | None = None,
    *,
    waits_s: Sequence[float] | None = None,
    environment: Mapping[str, str] | None = None,
) -> LineageDestination | None:
    """The destination ``named``, else that of ``QUANTLAB_OPENLINEAGE``; None when there is neither.

    ``http://`` and ``https://`` are endpoints, anything without ``://`` is a file. An endpoint's key comes from
    ``QUANTLAB_OPENLINEAGE_API_KEY`` alone; ``waits_s`` are the waits between its attempts, if not the usual ones.
    Raises InvalidInputError.
    """
    variables = os.environ if environment is None else environment
    address = (named or variables.get(DESTINATION_VARIABLE, "")).strip()
    if not address:
        return None
    if "://" in address:
        from quantlab_resources.openlineage.http_endpoint import WAITS_S, HttpEndpoint

        key = variables.get(API_KEY_VARIABLE, "")
        return HttpEndpoint(address, api_key=key, waits_s=WAITS_S if waits_s is None else waits_s)
    from quantlab_resources.openlineage.json_lines_file import JsonLinesFile

    path = Path(address).expanduser().absolute()
    own = (lab.paths.artifacts_root, lab.paths.manifest_db.parent)
    if path.is_dir() or any(path.resolve().is_relative_to(folder.resolve()) for folder in own):
        raise InvalidInputError(f"{path} is a folder or among the lake's own files; name another file for lineage")
    return JsonLinesFile(path)
