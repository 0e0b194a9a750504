"""The inspector: all that there is to say of one step, or of one edge, as safe HTML and as text.

The HTML stands on its own: no script, no link, nothing of the user's that is not escaped. Its colours are JupyterLab's
where there are any, else its own for light and for dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any

from graphkit.core.errors import GraphError
from graphkit.notebook.difference import Change
from graphkit.notebook.facts import Facts, LastRun, State, Subject, facts_of
from graphkit.notebook.highlight import highlighted
from graphkit.notebook.places import with_cells
from graphkit.notebook.style import STYLE
from graphkit.notebook.values import kind_of, value_html
from graphkit.view.run_table import duration, run_html
from graphkit.view.text import showable

#: A panel is never longer than this; what is largest in it is left out first.
MOST_CHARACTERS = 190_000
_MOST_RECORDS = 3
_SIGNS: Mapping[str, str] = MappingProxyType({"added": "+", "removed": "-", "changed": "~"})


def panel(root: Any, server: Any, step_path: str) -> str:
    """Return a step as HTML; never raises.

    Parameters
    ----------
    root
        The root of the draft.
    server
        The server whose runs are shown; ``None`` for the one that bound the graph last, if one has.
    step_path
        Full name of the step, such as ``"models/iris"``; empty for the graph itself.

    Examples
    --------
    >>> from graphkit import new_flow
    >>> graph = new_flow()
    >>> _ = graph.to(name="double", handler="(event * 2)")
    >>> "event * " in panel(graph, None, "double")
    True
    """
    try:
        return facts_html(facts_of(Subject(root, server), step_path))
    except GraphError as exc:
        return _framed([_message(exc.message)])
    except Exception as exc:  # a panel that fails would leave an empty window
        return _framed([_message(f"this step cannot be shown: {type(exc).__name__}: {exc}")])


def edge(root: Any, server: Any, from_path: str, to_path: str) -> str:
    """Return an edge as HTML: what crossed it in the last run that did; never raises.

    Parameters
    ----------
    root, server
        As for :func:`panel`.
    from_path, to_path
        Full names of the steps at its ends; an empty ``from_path`` is where events come in.
    """
    try:
        return _edge_html(Subject(root, server), from_path, to_path)
    except GraphError as exc:
        return _framed([_message(exc.message)])
    except Exception as exc:  # as for a panel
        return _framed([_message(f"this edge cannot be shown: {type(exc).__name__}: {exc}")])


def _edge_html(subject: Subject, from_path: str, to_path: str) -> str:
    tail, head = subject.node(from_path), subject.node(to_path)
    name = f"{tail.path or 'start'} → {head.path or head.name or 'the graph'}"
    parts = [f'<div class="gki-title"><b>{_text(name)}</b></div>']
    ends = (tail.path, head.path)
    parts += [_warning(doubt.message) for doubt in subject.topology.doubts if (doubt.tail, doubt.head) == ends]
    crossing = subject.crossing(tail, head)
    if crossing is None:
        return _framed([*parts, '<div class="gki-note">nothing has crossed here in a recorded run yet</div>'])
    request = f"{crossing.run.method} {crossing.run.path} -> {crossing.run.status}"
    parts.append(f'<div class="gki-note">{_text(request)}{"" if crossing.latest else ", an earlier run"}</div>')
    if crossing.error:
        parts.append(_message(crossing.error))
    parts.append(_labelled("data", crossing.value, subject.redact))
    return _framed(parts)


def facts_html(facts: Facts) -> str:
    """Return the facts of a step as HTML."""
    parts = [_title(facts), *(_message(problem) for problem in facts.problems), *map(_warning, facts.warnings)]
    parts += _run_parts(facts)
    parts += _source(facts)
    parts += _routes(facts)
    if facts.queue:
        parts.append(_section("Queue", f"<code>{_text(facts.queue)}</code>"))
    if facts.arguments:
        parts.append(_section("Parameters", _pairs(facts.arguments)))
    if facts.fields:
        parts.append(_section("Spec", _pairs(facts.fields), opened=False))
    return _framed(parts)


def _title(facts: Facts) -> str:
    name = facts.path or facts.node.name or "the graph"
    place = f' <span class="gki-note">{_text(facts.source.place)}</span>' if facts.source.place else ""
    return (
        f'<div class="gki-title"><b>{_text(name)}</b> <span class="gki-note">{_text(facts.kind)}</span>{place} '
        f"{_badge(facts.state)}</div>"
    )


def _badge(state: State) -> str:
    detail = f' <span class="gki-note">{_text(state.detail)}</span>' if state.detail else ""
    return f'<span class="gki-badge gki-{state.level}">{_text(state.text)}</span>{detail}'


def _run_parts(facts: Facts) -> list[str]:
    last = facts.last
    if facts.whole_run is not None:
        return [_section("Last run", run_html(facts.whole_run))]
    if last is None:
        return [_section("Last run", '<div class="gki-note">no recorded run has come here yet</div>')]
    parts = []
    shown = last.steps[-_MOST_RECORDS:]
    for number, step in enumerate(shown, len(last.steps) - len(shown) + 1):
        count = f", {number} of {len(last.steps)}" if len(last.steps) > 1 else ""
        head = f"Last run{count}: {duration(step.duration_us)}"
        parts.append(_section(head, _record(facts, last, step), opened=step is last.steps[-1]))
    return parts


def _record(facts: Facts, last: LastRun, step: Any) -> str:
    run = last.run
    request = f"{run.method} {run.path} -> {run.status}{'' if last.latest else ', an earlier run'}"
    parts = [f'<div class="gki-note">{_text(request)}</div>']
    got = facts.node.step
    selected = getattr(got, "input_path", None)
    parts.append(_labelled(f"input{f', at {selected}' if selected else ''}", step.input, facts.redact))
    if step.error:
        parts.append(f'<div class="gki-label">failed</div><pre class="gki-error">{_text(why_failed(step))}</pre>')
        return "".join(parts)
    goes = getattr(got, "result_path", None)
    parts.append(_labelled(f"output{f', goes to {goes}' if goes else ''}", step.output, facts.redact))
    if step is last.steps[-1]:
        parts.append(_changes(last))
    return "".join(parts)


def _labelled(label: str, value: Any, redact: Any) -> str:
    kind = kind_of(value)
    return (
        f'<div class="gki-label">{_text(label)} <span class="gki-note">{_text(kind)}</span></div>'
        f"{value_html(value, redact)}"
    )


def signed(change: Change) -> str:
    """Return a difference as a line of text.

    >>> signed(Change("changed", "a", "1", "2"))
    '~ a: 1 → 2'
    """
    return f"{_SIGNS[change.kind]} {change.where or 'all of it'}: {_arrow(change)}"


def _changes(last: LastRun) -> str:
    if not last.comparable:
        return ""
    if not last.changes:
        return '<div class="gki-label">changed nothing</div>'
    rows = "".join(
        f'<tr class="gki-{change.kind}"><td>{_SIGNS[change.kind]}</td><td>{_text(change.where or "all of it")}</td>'
        f"<td>{_text(_arrow(change))}</td></tr>"
        for change in last.changes
    )
    return f'<div class="gki-label">what changed</div><table class="gki-changes">{rows}</table>'


def _arrow(change: Change) -> str:
    both = [text for text in (change.before, change.after) if text]
    return " → ".join(both) if change.kind == "changed" else "".join(both)


def why_failed(step: Any) -> str:
    """Return how a recorded step failed: its traceback cut to the user's code, else the error alone."""
    return with_cells(step.traceback) if getattr(step, "traceback", None) else str(step.error)


def _source(facts: Facts) -> list[str]:
    text = facts.source.text
    if not text:
        return []
    lines = text.count("\n")
    title = f"Source{f', {lines:,} lines' if lines > 1 else ''}"
    code = highlighted(text if facts.redact is None else facts.redact(text))
    return [_section(title, f'<pre class="gki-code">{code}</pre>', opened=facts.source.own)]


def _routes(facts: Facts) -> list[str]:
    if not facts.routes:
        return []
    rows = "".join(
        f"<tr><th>{_text(route.name)}</th><td><code>{_text(route.made_of)}</code></td><td>{_badge(route.state)}</td></tr>"
        for route in facts.routes
    )
    more = f'<div class="gki-note">… {facts.hidden_routes:,} more</div>' if facts.hidden_routes else ""
    return [_section(f"Routes, {len(facts.routes) + facts.hidden_routes:,}", f"<table>{rows}</table>{more}")]


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    rows = "".join(f"<tr><th>{_text(key)}</th><td><code>{_text(value)}</code></td></tr>" for key, value in pairs)
    return f"<table>{rows}</table>"


def _section(title: str, body: str, opened: bool = True) -> str:
    return f"<details{' open' if opened else ''}><summary>{_text(title)}</summary>{body}</details>"


def _message(text: str) -> str:
    return f'<pre class="gki-error">{_text(text)}</pre>'


def _warning(text: str) -> str:
    return f'<div class="gki-changed">⚠ {_text(text)}</div>'


def _text(text: Any) -> str:
    return escape(showable(str(text)))


def _framed(parts: list[str]) -> str:
    """Return the parts as one panel; where they are too long together, the largest are left out."""
    while sum(map(len, parts)) > MOST_CHARACTERS:
        largest = max(range(len(parts)), key=lambda index: len(parts[index]))
        parts[largest] = '<div class="gki-note">… too large to be shown here</div>'
    return f'<div class="gki-panel">{STYLE}{"".join(parts)}</div>'
