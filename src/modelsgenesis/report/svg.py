"""matplotlib as SVG that belongs to the page: its colours and type, in light and dark, at any width."""

import io
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

ARMS = tuple(f"#0000{number:02x}" for number in range(16, 28))
"""Stand-ins that become the arms' colours of the page; matplotlib draws them as if they were real."""
INK, MUTED, RULE, PAPER = "#000001", "#000002", "#000003", "#000004"
_NAMES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"} | {
    colour: f"--arm-{number}" for number, colour in enumerate(ARMS)
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "modelsgenesis",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "axes.grid": False,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many CSS pixels, and its axis."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width / 96, height / 96), dpi=96, layout="constrained")
        return figure, figure.add_subplot()


def arm_colour(number: int) -> str:
    """The stand-in of the arm of this number; 0 is the reference."""
    return ARMS[number % len(ARMS)]


def embed(figure: Any, name: str, title: str, about: str) -> Markup:
    """The figure as an inline `<svg>`, with its text as text.

    Args:
        figure: what `canvas` gave.
        name: unique in the page; prefix of the identifiers inside.
        title, about: read out instead of the picture.
    """
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    body = out.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"font: [^;\"]*?(\d+(?:\.\d+)?)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r"#0000(?:0[1-4]|1[0-9a-b])\b", lambda found: f"var({_NAMES[found[0]]})", body)
    size = re.search(r'viewBox="[^"]*"', body)
    head = f'<svg class="plot" role="img" aria-labelledby="{name}-t {name}-d" {size[0] if size else ""} '
    head += 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    told = f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(about)}</desc>'
    return Markup(head + told + body[body.index(">") + 1 :])


def tidy(axis: Any, grid: str) -> None:
    """Quiet ticks, and a grid along one axis, "x" or "y"."""
    axis.tick_params(length=0, pad=5)
    axis.grid(axis=grid, color=RULE, linewidth=0.7)
    axis.set_axisbelow(True)
    for spine in ("left", "bottom"):
        axis.spines[spine].set_visible(spine == ("bottom" if grid == "y" else "left"))


def bounds(values: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """Limits around `values` with some air, inside [low, high]."""
    spread = max(max(values) - min(values), 0.02)
    return max(low, min(values) - 0.12 * spread), min(high, max(values) + 0.12 * spread)
