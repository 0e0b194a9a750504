"""What ``graph.inspect("step")`` returns: the inspector of a step as it stands at that moment, for cells and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from graphkit.notebook.facts import Facts, LastRun, Subject, facts_of
from graphkit.notebook.inspector import facts_html, signed, why_failed
from graphkit.view.excerpt import Array, excerpt, redacted_preview
from graphkit.view.run_table import duration, run_text
from graphkit.view.text import shortened, showable

_WIDTH = 120


class Inspection:
    """One step, as it stood when it was inspected; a notebook shows it as HTML, a console as text.

    Parameters
    ----------
    root
        The root of the draft.
    server
        The server whose runs count; ``None`` for the one that bound the graph last, if one has.
    path
        Full name of the step; empty for the graph itself.

    Raises
    ------
    GraphError
        If there is no such step; the message has the nearest.

    Examples
    --------
    >>> from graphkit import new_flow
    >>> graph = new_flow()
    >>> _ = graph.to(name="double", handler="(event * 2)").respond()
    >>> graph.inspect("double")
    double (task), not bound yet
      handler: (event * 2)
      responder: True
      no recorded run has come here yet
    >>> graph.to_mock_server().test(body=21)
    42
    >>> print(str(graph.inspect("double")).partition("last run")[2])
    : POST / -> 200, ...
      input   21
      output  42
    """

    def __init__(self, root: Any, server: Any, path: str) -> None:
        self._facts: Facts = facts_of(Subject(root, server), path)

    @property
    def path(self) -> str:
        """Full name of the step."""
        return self._facts.path

    @property
    def source(self) -> str:
        """Source of the step's class or function; empty where it cannot be known."""
        text = self._facts.source.text
        return text if self._facts.redact is None else self._facts.redact(text)

    @property
    def last_step(self) -> Any:
        """The step's record in the last run that it had a part in, else ``None``."""
        last = self._facts.last
        return None if last is None else last.steps[-1]

    def __repr__(self) -> str:
        return "\n".join(shortened(showable(line), 2 * _WIDTH, 1) for line in self._lines())

    def _repr_html_(self) -> str:
        return facts_html(self._facts)

    def _lines(self) -> Iterator[str]:
        facts = self._facts
        name = facts.path or facts.node.name or "the graph"
        detail = f" ({facts.state.detail})" if facts.state.level == "wrong" and facts.state.detail else ""
        yield f"{name} ({facts.kind}), {facts.state.text}{detail}"
        for problem in facts.problems:
            yield f"  problem: {problem}"
        for warning in facts.warnings:
            yield f"  warning: {warning}"
        if facts.source.place:
            yield f"  defined in {facts.source.place}"
        for key, value in (*facts.fields, *facts.arguments):
            yield f"  {key}: {value}"
        if facts.queue:
            yield f"  queue: {facts.queue}"
        for route in facts.routes:
            yield f"  route {route.name}: {route.made_of}, {route.state.text}"
        if facts.hidden_routes:
            yield f"  ... and {facts.hidden_routes:,} more routes"
        if facts.whole_run is not None:
            yield "  last run"
            yield from (f"    {line}" for line in run_text(facts.whole_run).splitlines())
        elif facts.last is None:
            yield "  no recorded run has come here yet"
        else:
            yield from self._run_lines(facts.last)

    def _run_lines(self, last: LastRun) -> Iterator[str]:
        run, step, redact = last.run, last.steps[-1], self._facts.redact
        times = f", {len(last.steps)} times, the last of them" if len(last.steps) > 1 else ""
        earlier = "" if last.latest else ", an earlier run"
        yield f"  last run: {run.method} {run.path} -> {run.status}{earlier}{times}, {duration(step.duration_us)}"
        yield f"    input   {_said(step.input, redact)}"
        if step.error:
            yield "    failed"
            yield from (f"      {line}" for line in why_failed(step).splitlines())
            return
        yield f"    output  {_said(step.output, redact)}"
        if last.comparable and not last.changes:
            yield "    changed nothing"
        for change in last.changes:
            yield f"    {signed(change)}"


def _said(value: Any, redact: Callable[[str], str] | None) -> str:
    """Return a value as one line; of an array with its range, since what is wrong in it mostly shows there."""
    made = excerpt(value, redact)
    if isinstance(made, Array) and made.least:
        sizes = " x ".join(f"{length:,}" for length in made.shape)
        sample = " (of a sample)" if made.sampled else ""
        line = f"{made.type} {sizes} {made.dtype} from {made.least} to {made.most}{sample} {made.first}"
        return shortened(line, _WIDTH, 1)
    return redacted_preview(value, redact, _WIDTH)
