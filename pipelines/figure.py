"""A figure as SVG: one look for every picture that a pipeline draws, and the same bytes for the same figure."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

_LOOK = {
    "svg.hashsalt": "shoal",  # ids of the SVG do not change from run to run
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def svg(draw: Callable[[Any], None], width: float = 8.0, height: float = 4.5) -> bytes:
    """An SVG document of what `draw` puts on a matplotlib `Figure` of `width` × `height` inches."""
    # Importing matplotlib writes a list of fonts to disk, and importing a module of ours does nothing.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return out.getvalue()
