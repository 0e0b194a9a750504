"""Two runs side by side as a table. A comparison is any object with the fields that are read here."""

from __future__ import annotations

from html import escape
from typing import Any

from graphkit.view import theme
from graphkit.view.run_table import duration
from graphkit.view.text import middle, shortened, showable

_MOST_STEPS = 200
_LINE = "rgba(128,128,128,.3)"
_CELL = "padding:3px 10px;text-align:left;vertical-align:top"
# as grounds of white text, as the signs of the theme
_COLORS = {"changed": "#8A5A00", "failed": theme.WRONG_SIGN, "added": "#0B61A4", "removed": "#5B6770"}
_SIGNS = {"same": "=", "changed": "~", "failed": "!", "added": "+", "removed": "-"}


def comparison_text(comparison: Any) -> str:
    """Return a comparison as aligned plain text."""
    shown = comparison.steps[:_MOST_STEPS]
    rows = [("step", "", "before", "after", "first difference"), *(_text_row(step) for step in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [f"{_headline(comparison)}: {_sum(comparison)}"]
    if shown:
        lines += ("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    if len(comparison.steps) > _MOST_STEPS:
        lines.append(f"  ... and {len(comparison.steps) - _MOST_STEPS:,} more steps")
    return "\n".join([*lines, f"  answer: {_answer(comparison)}"])


def comparison_html(comparison: Any) -> str:
    """Return a comparison as a compact HTML table, with colours that suit light and dark themes."""
    shown = comparison.steps[:_MOST_STEPS]
    head = "".join(
        f'<th scope="col" style="{_CELL};font-weight:600">{name}</th>'
        for name in ("step", "", "before", "after", "first difference")
    )
    more = len(comparison.steps) - len(shown)
    left = f'<div style="opacity:.7">… {more:,} more steps</div>' if more else ""
    return (
        f'<div style="color:var(--jp-content-font-color1,inherit);font-size:13px;line-height:1.4">'
        f"<div><b>{escape(_headline(comparison))}</b> <span>{escape(_sum(comparison))}</span></div>"
        f'<div style="overflow-x:auto"><table style="border-collapse:collapse;font-size:inherit;margin:4px 0">'
        f'<thead><tr style="border-bottom:2px solid {_LINE}">{head}</tr></thead>'
        f"<tbody>{''.join(_html_row(step) for step in shown)}</tbody></table></div>{left}"
        f'<div style="overflow-wrap:anywhere"><b>answer</b> {escape(_answer(comparison))}</div></div>'
    )


def _headline(comparison: Any) -> str:
    times = f"{duration(comparison.duration_us_before)} -> {duration(comparison.duration_us)}"
    return f"status {comparison.status_before} -> {comparison.status} in {times}"


def _sum(comparison: Any) -> str:
    counts = dict.fromkeys(_SIGNS, 0)
    for step in comparison.steps:
        counts[step.status] += 1
    return ", ".join(f"{count:,} {status}" for status, count in counts.items() if count) or "no steps"


def _answer(comparison: Any) -> str:
    return showable(comparison.answer).replace("\n", " ") if comparison.answer else "the same"


def _first(step: Any) -> str:
    more = f" (and {step.count - 1:,} more)" if step.count > 1 else ""
    taken = "taken over" if step.replayed else ""
    note = "got another input" if step.status == "same" and step.input_changed else taken
    text = showable(step.first).replace("\n", " ")
    return f"{text}{more}" if text else note


def _text_row(step: Any) -> tuple[str, str, str, str, str]:
    name = middle(showable(step.name).replace("\n", " "), 40)
    times = duration(step.duration_us_before), duration(step.duration_us)
    return name, f"{_SIGNS[step.status]} {step.status}", *times, shortened(_first(step), 120)


def _html_row(step: Any) -> str:
    color = _COLORS.get(step.status)
    badge = (
        f'<span style="background:{color};color:#fff;border-radius:3px;padding:0 6px">{step.status}</span>'
        if color
        else f'<span style="opacity:.7">{step.status}</span>'
    )
    cells = (
        f"<b>{escape(middle(showable(step.name), 60))}</b>",
        badge,
        escape(duration(step.duration_us_before)),
        escape(duration(step.duration_us)),
        f'<div style="max-width:520px;overflow-wrap:anywhere">{escape(shortened(_first(step), 400))}</div>',
    )
    row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f'<tr style="border-bottom:1px solid {_LINE}">{row}</tr>'
