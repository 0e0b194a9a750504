"""The theme's colours as CSS, for the live picture: it mixes them with the page's own paper and ink."""

from __future__ import annotations

from graphkit.plan.topology import EdgeKind
from graphkit.spec.steps import Kind
from graphkit.view import theme


def palette_css() -> str:
    """Return the colours, shares and widths as variables of ``.gk-live``, and the rules that name a still picture's.

    Examples
    --------
    >>> "--gk-task: #0072b2;" in palette_css()
    True
    """
    colors = {
        "base-paper": theme.PAPER,
        "base-ink": theme.INK,
        "base-quiet": theme.QUIET,
        "task": theme.KINDS[Kind.TASK].line,
        "router": theme.KINDS[Kind.ROUTER].line,
        "router-fill": theme.ROUTER_HUE,
        "queue": theme.KINDS[Kind.QUEUE].line,
        "error-step": theme.KINDS[Kind.ERROR].line,
        "outside": theme.START.line,
        "function": theme.FUNCTIONS[0].line,
        "route": theme.STROKES[EdgeKind.ROUTE].color,
        "error": theme.STROKES[EdgeKind.ERROR].color,
        "wrong": theme.WRONG,
        "doubt": theme.DOUBT,
        "way": theme.LIT,
        "hot": theme.HOT,
        "good-sign": theme.GOOD_SIGN,
        "wrong-sign": theme.WRONG_SIGN,
    }
    numbers = {
        "deep": f"{theme.DEEP:.0%}",
        "failed-fill": f"{theme.FAILED_FILL:.0%}",
        "idle-node": f"{theme.IDLE_NODE}",
        "idle-edge": f"{theme.IDLE_EDGE}",
        "passed-width": f"{theme.PASSED.width}",
        "failed-width": f"{theme.FAILED.width}",
        "taken-width": f"{theme.TAKEN.width}",
    }
    named = {**{name: color.lower() for name, color in colors.items()}, **numbers}
    variables = "\n".join(f"  --gk-{name}: {value};" for name, value in named.items())
    heats = "\n".join(f".gk-heat{step} {{ --gk-warm: {share:.0%}; }}" for step, share in enumerate(theme.HEAT))
    return f".gk-live {{\n{variables}\n}}\n{heats}\n{_texts()}"


def _texts() -> str:
    """Return the rules for texts of a drawing, which are known by the colours that the still picture gave them."""
    quiet, wrong = f'text[fill="{theme.QUIET.lower()}"]', f'text[fill="{theme.WRONG_TEXT.lower()}"]'
    warm = ", ".join(f".gk-heat{step}" for step, share in enumerate(theme.HEAT) if share)
    return (
        f".gk-svg g.node {quiet} {{ fill: var(--gk-quiet); }}\n"
        f".gk-svg g.node {wrong}, .gk-svg g.graph > text {{ "
        "fill: color-mix(in srgb, var(--gk-red) 80%, var(--gk-ink)); }\n"
        f".gk-svg g.node:is({warm}) {quiet} {{ fill: var(--gk-ink); }}\n"
    )
