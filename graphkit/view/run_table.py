"""A run record as a table: for each step what went in, what came out, how long it took, or how it failed.

A record is any object with the fields of :class:`Run`; what it is made by does not matter here.
"""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import Any

from graphkit.view import theme
from graphkit.view.preview import preview, preview_html
from graphkit.view.text import middle, shortened, showable

_TEXT_WIDTH = 44
_MOST_STEPS = 200
#: Theme colours of JupyterLab, with what stands in for them elsewhere. Tints are see-through: they suit any ground.
_LINE = "rgba(128,128,128,.3)"
_BAR = "rgba(0,114,178,.28)"
_WRONG = "rgba(213,60,60,.16)"
_CELL = "padding:3px 10px;text-align:left;vertical-align:top"
#: What stands in a cell breaks anywhere, so that a long id needs no more room than a text; no column gets too narrow.
_VALUE = "min-width:110px;max-width:420px;overflow-wrap:anywhere"
_NAME = "min-width:70px;max-width:260px;overflow-wrap:anywhere"
_MOST_NAME = 40


#: What is read of one step's part in a run: ``name, kind, input, output, duration_us, error``.
StepRun = Any
#: What is read of a run, one event through one graph: ``id, path, method, status, started, answer, steps``, and
#: ``duration_us`` (microseconds); if they are there, ``dropped``, the number of steps that ran and were not kept, and
#: ``note``, a sentence on the answer.
Run = Any


def run_text(record: Run) -> str:
    """Return a run as aligned plain text; the same run always gives the same text.

    Examples
    --------
    >>> from types import SimpleNamespace as Data
    >>> step = Data(name="double", kind="task", input=2, output=4, duration_us=3.1, error=None)
    >>> run = Data(id="7f", path="/", method="POST", status=200, started=None, duration_us=9.0, answer=4, steps=[step])
    >>> print(run_text(run))
    POST / -> 200 in 9 µs, 1 step
      step    kind  time    input  output
      double  task  3.1 µs  2      4
      answer: 4
    """
    shown = list(record.steps)[:_MOST_STEPS]
    rows = [("step", "kind", "time", "input", "output"), *map(_text_row, shown, _ways(record, shown))]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [_headline(record)]
    if shown:
        # strip: the last column is not filled up with blanks
        lines += ("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    if _hidden(record):
        lines.append(f"  ... and {_hidden(record):,} more steps")
    lines.append(f"  answer: {preview(record.answer, 160)}")
    if _note(record):
        lines.append(f"  {_note(record)}")
    return "\n".join(lines)


def run_html(record: Run, picture: bool = True) -> str:
    """Return a run as a compact HTML table, with colours that suit light and dark themes.

    A bar shows each step's share of the longest step's time. Values that are large open on click. Where the record
    knows the graph (``topology``), its picture comes first, with times, failures and the way that the event went;
    ``picture=False`` leaves it out where the graph is seen already.

    Examples
    --------
    >>> from types import SimpleNamespace as Data
    >>> run = Data(id="7f", path="/", method="GET", status=404, started=None, duration_us=9.0, answer="<i>", steps=[])
    >>> "&lt;i&gt;" in run_html(run), "<i>" in run_html(run)
    (True, False)
    """
    shown = list(record.steps)[:_MOST_STEPS]
    longest = max((_us(step) for step in shown), default=0.0)
    rows = [_html_row(step, longest, way) for step, way in zip(shown, _ways(record, shown), strict=True)]
    if _hidden(record):
        rows.append(f'<tr><td colspan="5" style="{_CELL}">… {_hidden(record):,} more steps</td></tr>')
    head = "".join(
        f'<th style="{_CELL};font-weight:600">{name}</th>' for name in ("step", "kind", "time", "input", "output")
    )
    table = (
        f'<table style="border-collapse:collapse;table-layout:auto;font-size:inherit;margin:4px 0">'
        f'<thead><tr style="border-bottom:2px solid {_LINE}">'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        if rows
        else ""
    )
    note = f'<div style="opacity:.7">{escape(_note(record))}</div>' if _note(record) else ""
    identity = f"id {showable(str(record.id))}" + (f", {_when(record.started)}" if record.started else "")
    return (
        f'<div style="color:var(--jp-content-font-color1,inherit);font-size:13px;line-height:1.4">'
        f'<div title="{escape(identity)}">{_badge(record.status)} <b>{escape(_request(record))}</b> '
        f'<span style="opacity:.7">in {escape(duration(record.duration_us))}, {_steps(record)}</span></div>'
        f'{_picture(record) if picture else ""}<div style="overflow-x:auto">{table}</div>'
        f'<div style="overflow-wrap:anywhere"><b>answer</b> {preview_html(record.answer)}</div>{note}</div>'
    )


def _picture(record: Run) -> str:
    topology = getattr(record, "topology", None)
    if topology is None:
        return ""
    from graphkit.view.run_picture import run_picture_html  # what draws loads with the first picture

    return run_picture_html(topology, record)


def duration(us: float | None) -> str:
    """Return microseconds in the unit that reads best.

    >>> duration(3.14), duration(1500), duration(90_000_000), duration(None)
    ('3.1 µs', '1.5 ms', '1 min 30 s', '-')
    """
    if us is None:
        return "-"
    if us >= 60_000_000:
        minutes, seconds = divmod(round(us / 1e6), 60)
        return f"{minutes:,} min {seconds} s"
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        # 999.96 ms reads as 1 s, not as 1000 ms
        if us >= size * 0.9995:
            return f"{_three_digits(us / size)} {unit}"
    return f"{_three_digits(us)} µs"


def _three_digits(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def _headline(record: Run) -> str:
    return f"{_request(record)} -> {record.status} in {duration(record.duration_us)}, {_steps(record)}"


def _request(record: Run) -> str:
    return shortened(showable(f"{record.method or ''} {record.path or '/'}".strip()).replace("\n", "↵"), 100)


def _steps(record: Run) -> str:
    count = len(record.steps) + _dropped(record)
    return f"{count:,} step{'' if count == 1 else 's'}"


def _dropped(record: Run) -> int:
    return int(getattr(record, "dropped", 0))


def _note(record: Run) -> str:
    return _line(getattr(record, "note", ""))


def _hidden(record: Run) -> int:
    return max(len(record.steps) - _MOST_STEPS, 0) + _dropped(record)


def _when(started: Any) -> str:
    return started.isoformat(sep=" ", timespec="milliseconds") if isinstance(started, dt.datetime) else str(started)


def _us(step: StepRun) -> float:
    return step.duration_us or 0.0


def _text_row(step: StepRun, way: str) -> tuple[str, str, str, str, str]:
    output = f"failed: {_line(step.error)}" if step.error else preview(step.output, _TEXT_WIDTH)
    name = middle(_line(step.name), _MOST_NAME)
    took = duration(step.duration_us) + way
    return name, str(step.kind), took, preview(step.input, _TEXT_WIDTH), shortened(output, 120)


def _ways(record: Run, shown: list[StepRun]) -> list[str]:
    """Return how each step came into a run that took some over from another: ``as recorded``, or it ran."""
    if not any(getattr(step, "replayed", False) for step in record.steps):
        return [""] * len(shown)
    return [", as recorded" if getattr(step, "replayed", False) else ", ran" for step in shown]


def _line(text: Any) -> str:
    return showable(str(text)).replace("\n", " ")


def _html_row(step: StepRun, longest: float, way: str) -> str:
    share = round(100 * _us(step) / longest) if longest else 0
    style = f"border-bottom:1px solid {_LINE}" + (f";background:{_WRONG}" if step.error else "")
    bar = f"background:linear-gradient(to right,{_BAR} {share}%,transparent {share}%)"
    output = f"<b>failed</b> {_error(step.error)}" if step.error else preview_html(step.output)
    return (
        f'<tr style="{style}"><td style="{_CELL};font-weight:600">{_name_html(_line(step.name))}</td>'
        f'<td style="{_CELL}"><span style="opacity:.7">{escape(str(step.kind))}</span></td>'
        f'<td style="{_CELL}"><div style="min-width:70px;white-space:nowrap;padding:0 4px;{bar}">'
        f"{escape(duration(step.duration_us) + way)}</div></td>"
        f'<td style="{_CELL}"><div style="{_VALUE}">{preview_html(step.input)}</div></td>'
        f'<td style="{_CELL}"><div style="{_VALUE}">{output}</div></td></tr>'
    )


def _name_html(name: str) -> str:
    title = f' title="{escape(name)}"' if len(name) > _MOST_NAME else ""
    return f'<div style="{_NAME}"{title}>{escape(middle(name, _MOST_NAME))}</div>'


def _error(message: str) -> str:
    text = escape(showable(str(message)[:4000]))
    first, newline, rest = text.partition("\n")
    return f"<details><summary>{first}</summary><pre>{rest}</pre></details>" if newline else first


def _badge(status: Any) -> str:
    good = isinstance(status, int) and status < 300
    color = theme.GOOD_SIGN if good else theme.WRONG_SIGN
    return (
        f'<span style="background:{color};color:#fff;border-radius:3px;padding:0 6px;font-weight:600">'
        f"{escape(str(status))}</span>"
    )
