"""matplotlib figures as bytes, the same for the same figure: SVG in the colours of its page, PNG on white.

matplotlib is imported when a figure is written, and used through its figure objects: no global state, no display.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a figure's parts."""

    ink: str
    muted: str
    grid: str
    line: str
    loss: str


LIGHT = Palette(ink="#1c2430", muted="#66707f", grid="#e3e6eb", line="#1f6feb", loss="#c93c37")
# Colours that occur nowhere else stand for the page's own, so that one drawing fits its light and dark dress.
_PLACEHOLDERS = Palette(ink="#010203", muted="#010204", grid="#010205", line="#010206", loss="#010207")
_PAGE_COLOURS = {
    _PLACEHOLDERS.ink: "var(--ink)",
    _PLACEHOLDERS.muted: "var(--muted)",
    _PLACEHOLDERS.grid: "var(--line)",
    _PLACEHOLDERS.line: "var(--accent)",
    _PLACEHOLDERS.loss: "var(--loss)",
}


def svg_of(draw: Callable[[Palette], Figure], *, name: str) -> str:
    """What ``draw`` draws as an ``<svg>`` element that fills its column and takes its colours from the page's CSS.

    ``name`` keeps its ids apart from those of other figures on the page.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with rc_context({"svg.hashsalt": f"quantlab {name}", "svg.fonttype": "none"}):
        sink = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(draw(_PLACEHOLDERS)).print_svg(sink, metadata=nothing)  # type: ignore[no-untyped-call]
    svg = sink.getvalue()
    for placeholder, colour in _PAGE_COLOURS.items():
        svg = svg.replace(placeholder, colour)
    element, rest = svg[svg.index("<svg") :].strip().split(">", 1)
    # Without a fixed size the drawing fills its column.
    return re.sub(r' (width|height)="[^"]*"', "", element) + ">" + rest


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG on white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_facecolor("white")
    figure.patch.set_alpha(1)  # for pages the figure has no ground of its own
    sink = io.BytesIO()
    FigureCanvasAgg(figure).print_png(sink, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return sink.getvalue()
