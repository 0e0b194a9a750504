"""A burst's report as text, and as HTML with a histogram in SVG. A report is any object with the fields read here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from graphkit.view.run_table import duration
from graphkit.view.text import shortened, showable

_BINS = 40
_WIDTH, _HEIGHT = 520, 120
_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
_SHARES = (50.0, 90.0, 95.0, 99.0)
_MOST_ERRORS = 10


def burst_text(report: Any) -> str:
    """Return a report as plain text."""
    lines = [_headline(report)]
    if report.latencies_us:
        lines.append("  latency  " + "  ".join(f"{name} {value}" for name, value in _figures(report)))
    lines += (f"  {count:,} x {message}" for message, count in _errors(report))
    return "\n".join(lines)


def burst_html(report: Any) -> str:
    """Return a report as HTML: figures, errors, and a histogram of the latencies."""
    figures = "".join(
        f'<tr><th scope="row" style="{_CELL};font-weight:600">{name}</th><td style="{_CELL}">{escape(value)}</td></tr>'
        for name, value in _figures(report)
    )
    errors = "".join(
        f'<li style="overflow-wrap:anywhere">{count:,} x {escape(message)}</li>' for message, count in _errors(report)
    )
    table = f'<table style="border-collapse:collapse;font-size:inherit">{figures}</table>' if figures else ""
    return (
        f'<div style="color:var(--jp-content-font-color1,inherit);font-size:13px;line-height:1.4">'
        f"<div><b>{escape(_headline(report))}</b></div>"
        f'<div style="display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start">{table}'
        f"{histogram(report.latencies_us)}</div>"
        f"{f'<ul>{errors}</ul>' if errors else ''}</div>"
    )


def histogram(latencies_us: Sequence[float]) -> str:
    """Return a histogram of latencies as SVG; empty where there are none.

    The slowest fiftieth, where there are many, stands in the last bar: a few stragglers would squeeze all others.

    >>> histogram([]), histogram([1.0, 2.0]).count("<rect")
    ('', 2)
    """
    if not latencies_us:
        return ""
    ordered = sorted(latencies_us)
    least = ordered[0]
    most = ordered[-1] if len(ordered) < 50 else ordered[int(len(ordered) * 0.98)]
    bins = min(_BINS, max(2, len(set(ordered)))) if most > least else 1
    size = (most - least) / bins or 1.0
    counts = [0] * bins
    for latency in ordered:
        counts[min(int((latency - least) / size), bins - 1)] += 1
    step, tallest = _WIDTH / bins, max(counts)
    bars = "".join(
        f'<rect x="{index * step:.1f}" y="{_HEIGHT - _HEIGHT * count / tallest:.1f}" width="{max(step - 1, 1):.1f}" '
        f'height="{_HEIGHT * count / tallest:.1f}"><title>{count:,} from {duration(least + index * size)}</title>'
        "</rect>"
        for index, count in enumerate(counts)
        if count
    )
    last = "" if most == ordered[-1] else " and more"
    label = f"histogram of {len(ordered):,} latencies from {duration(least)} to {duration(ordered[-1])}"
    return (
        f'<svg role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" '
        f'height="{_HEIGHT + 20}" viewBox="0 0 {_WIDTH} {_HEIGHT + 20}" style="max-width:100%">'
        f'<g fill="#0072B2">{bars}</g>'
        f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}" stroke="#808080"/>'
        f'<g fill="currentColor" font-size="11" font-family="sans-serif">'
        f'<text x="0" y="{_HEIGHT + 15}">{duration(least)}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 15}" text-anchor="end">{duration(most)}{last}</text></g></svg>'
    )


def _headline(report: Any) -> str:
    sent = f"{report.sent:,} of {report.n:,} events" if report.sent != report.n else f"{report.n:,} events"
    failed = f", {report.error_count:,} failed" if report.error_count else ""
    stopped = ", cancelled" if report.cancelled else ""
    path = shortened(showable(report.path), 80)
    return (
        f"{sent} to {path}, {report.concurrency:,} at once, in {duration(report.duration_s * 1e6)}: "
        f"{_rate(report.throughput)}{failed}{stopped}"
    )


def _rate(throughput: float) -> str:
    return f"{throughput:,.0f} per second" if throughput >= 10 else f"{throughput:.2g} per second"


def _figures(report: Any) -> list[tuple[str, str]]:
    if not report.latencies_us:
        return []
    shares = [(f"p{share:g}", duration(report.percentile(share))) for share in _SHARES]
    return [("min", duration(min(report.latencies_us))), *shares, ("max", duration(max(report.latencies_us)))]


def _errors(report: Any) -> list[tuple[str, int]]:
    ordered = sorted(report.errors.items(), key=lambda item: -item[1])
    shown = [(shortened(showable(message).replace("\n", " "), 200), count) for message, count in ordered[:_MOST_ERRORS]]
    left = sum(count for _, count in ordered[_MOST_ERRORS:])
    return [*shown, *([("further errors", left)] if left else [])]
