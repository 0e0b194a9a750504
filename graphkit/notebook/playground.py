"""The playground: controls around the live picture of a server's graph. It needs ipywidgets and anywidget.

Whatever takes time runs in a thread, so that the kernel stays usable while a step hangs. Results are carried by synced
traits alone, as HTML in which all that a user wrote is escaped.
"""

from __future__ import annotations

import threading
import weakref
from functools import partial
from html import escape
from typing import Any

import ipywidgets as w

from graphkit.core.errors import GraphkitError
from graphkit.notebook.asking import Example, body_text, examples_of, paths_of, read_typed
from graphkit.notebook.display import WIDGET, hidden_while_live, shell_of_notebook
from graphkit.notebook.live import LiveGraph
from graphkit.notebook.pacing import Pacer
from graphkit.notebook.playground_panels import BurstPanel, ComparePanel, StepPanel
from graphkit.notebook.playground_parts import (
    VIEWS,
    bounded_html,
    button,
    notice,
    run_label,
    shown,
    static_forms,
)
from graphkit.runtime.records import RunRecord
from graphkit.view.run_table import run_html

_METHODS = ("auto", "GET", "POST", "PUT", "PATCH", "DELETE")
_NO_EXAMPLE = "…"
_LABEL = "58px"  # the labels of the column end at one line


class Playground(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Controls to ask a server's graph, to look at its runs, and to run them again.

    Parameters
    ----------
    server
        The server.

    Attributes
    ----------
    live
        The live picture.
    method, path, body, kind
        What is asked: the controls' ``value`` may be set.
    pending
        The run that is under way, or was last.
    """

    def __init__(self, server: Any) -> None:
        self.server = server
        self.pending: Any = None
        self.live = LiveGraph(server.graph, server)
        # runs end in threads of their own
        self._lock = threading.RLock()
        self._filling = False
        self._newest: RunRecord | None = None
        self._examples: list[Example] = []
        self._shown_runs: list[RunRecord] = []
        self._selected: RunRecord | None = None
        self._make_controls()
        self._steps = StepPanel(self)
        self._compare = ComparePanel()
        self._burst = BurstPanel(self)
        self._views = {
            "Result": w.VBox(
                [self.result, w.HBox([self.case_name, self.save_case], layout=w.Layout(flex_flow="wrap"))]
            ),
            "Steps": self._steps.box,
            "Compare": self._compare.box,
            "Burst": self._burst.box,
        }
        self._refresh = Pacer(self._show_runs, quiet_s=0.05, most_s=0.3)
        self._listener = _Listener(self)
        server.graph.watch.add(self._listener)
        super().__init__(self._laid_out(), layout=w.Layout(width="100%"))
        self.add_class("graphkit-playground")
        self._wire()
        self._show_view()
        self._show_runs()
        self._begin()
        self._check()

    # ---- controls -----------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        wide = {"description_width": "initial"}
        aligned = {"description_width": _LABEL}
        self.path = w.Combobox(
            value="/", options=["/"], ensure_option=False, description="Path", placeholder="/", style=aligned,
            layout=w.Layout(width="auto"),
        )  # fmt: skip
        self.method = w.Dropdown(options=_METHODS, description="Method", style=aligned, layout=_share())
        self.kind = w.Dropdown(options=("JSON", "text"), description="Body is", style=wide, layout=_share())
        self.example = w.Dropdown(
            options=[_NO_EXAMPLE], description="Example", style=aligned, layout=w.Layout(width="auto")
        )
        self.body = w.Textarea(
            description="Body", placeholder='{"inputs": [[1, 2]]}', rows=4, style=aligned,
            layout=w.Layout(width="auto"),
        )  # fmt: skip
        self.problem = w.HTML()
        self.run_button = button("Run", "Send the event through the graph", "primary")
        self.again_button = button("Run again", "Send the event of the selected run once more")
        self.cancel_button = button("Cancel", "End the run that is under way", "warning", disabled=True)
        self.status = w.HTML(notice("Nothing has been asked yet."))
        self.result = w.HTML()
        self.case_name = w.Text(
            description="Test case", placeholder="its name", style=wide, layout=w.Layout(flex="1 1 200px")
        )
        self.save_case = button("Save as test", "Write the selected run into cases.yaml, for graphkit test and pytest")
        self.history = w.Select(options=[], rows=5, description="Runs", style=aligned, layout=w.Layout(width="auto"))
        self.view = w.ToggleButtons(
            options=VIEWS,
            description="Show",
            style={"description_width": "auto", "button_width": "auto"},
            layout=w.Layout(display="flex", flex_flow="row nowrap", align_items="center"),
        )

    def _laid_out(self) -> list[Any]:
        """Lay out the graph with what is seen of a run below it, and beside both what asks."""
        row = w.Layout(flex_flow="row wrap", align_items="center")
        asking = w.VBox(
            [
                self.path,
                w.HBox([self.method, self.kind], layout=w.Layout(flex_flow="row")),
                self.example,
                self.body,
                self.problem,
                w.HBox([self.run_button, self.again_button, self.cancel_button], layout=row),
                self.status,
                self.history,
            ]
        )
        seen = w.VBox([self.view, *self._views.values()])
        board = w.Box([self.live, asking, seen])
        for part, name in (
            (board, "gk-play"),
            (self.live, "gk-play-graph"),
            (asking, "gk-play-ask"),
            (seen, "gk-play-seen"),
        ):
            part.add_class(name)
        return [board]

    def _wire(self) -> None:
        self.body.observe(self._check, "value")
        self.kind.observe(self._check, "value")
        self.example.observe(self._take_example, "value")
        self.history.observe(self._choose, "value")
        self.view.observe(self._show_view, "value")
        self.run_button.on_click(lambda _: self.ask())
        self.again_button.on_click(lambda _: self.ask_again())
        self.cancel_button.on_click(lambda _: self.cancel())
        self.save_case.on_click(lambda _: self._save_case())

    # ---- asking -------------------------------------------------------------------------------------------

    def _check(self, _: Any = None) -> None:
        """Say what is wrong with the body, as it is typed."""
        said = read_typed(self.body.value).said if self.kind.value == "JSON" else ""
        self.problem.value = notice(f"The body is not JSON: {said}", "wrong") if said else ""
        self.run_button.disabled = bool(said)

    def ask(self) -> None:
        """Send what the controls say; returns at once."""
        if self.kind.value == "JSON":
            typed = read_typed(self.body.value)
            if typed.problem:
                self._check()
                return
            body, content_type = typed.value, None
        else:
            body, content_type = self.body.value, "text/plain"
        method = "" if self.method.value == "auto" else self.method.value
        self._start(partial(self.server.submit, self.path.value or "/", body, method, content_type, silent=True))

    def ask_again(self) -> None:
        """Repeat the selected run."""
        self.replay(None)

    def replay(self, start: str | None) -> None:
        """Repeat the selected run, or its part from a step on; returns at once."""
        if self._selected is None:
            self.status.value = notice("There is no run yet that could be repeated.", "wrong")
            return
        self._start(partial(self.server.submit_replay, self._selected, start))

    def cancel(self) -> None:
        """End the run that is under way."""
        if self.pending is not None:
            self.pending.cancel()

    def _start(self, begin: Any) -> None:
        if self.pending is not None and not self.pending.done():
            self.status.value = notice("A run is under way; cancel it first.", "wrong")
            return
        self.live.look_again()
        self.cancel_button.disabled = False
        self.status.value = notice("Running …")
        try:
            self.pending = begin()
        except (GraphkitError, TypeError) as exc:  # it cannot be asked at all; the reason is the user's
            self.cancel_button.disabled = True
            self.status.value = notice(str(exc), "wrong")
            return
        self.pending.when_done(self._ended)

    def _ended(self, pending: Any) -> None:
        self.cancel_button.disabled = True
        record = pending.record
        if record is None:  # graphkit itself failed: nothing was recorded
            self.status.value = notice(repr(pending._failure), "wrong")
            return
        good = record.status < 300
        said = "Cancelled" if pending.status == "cancelled" else "Done" if good else "Failed"
        self.status.value = notice(f"{said}: {run_label(record)}", "good" if good else "wrong")
        self._show_runs()

    # ---- runs ---------------------------------------------------------------------------------------------

    def _show_runs(self) -> None:
        """Bring the lists of runs, paths and examples up to date; a run that is new is selected."""
        with self._lock:
            runs = list(self.server.runs)
            newest = runs[-1] if runs else None
            chosen = (
                newest
                if newest is not self._newest or not any(run is self._selected for run in runs)
                else self._selected
            )
            self._newest = newest
            self._shown_runs = runs[::-1]
            self._filling = True
            try:
                self.history.options = [
                    (f"{len(runs) - at}. {run_label(run)}", at) for at, run in enumerate(self._shown_runs)
                ]
                self.history.value = next((at for at, run in enumerate(self._shown_runs) if run is chosen), None)
            finally:
                self._filling = False
            self._select(chosen)
            self._compare.offer(self._shown_runs)
            self.path.options = paths_of(self.server.graph, runs)
            bound = getattr(self.server.graph, "_bound", None)
            self._examples = examples_of(self.server.graph, getattr(bound, "steps", {}), runs)
            names = [f"{example.name}: {example.path}" for example in self._examples]
            self.example.options = [(_NO_EXAMPLE, -1), *((name, at) for at, name in enumerate(names))]

    def _choose(self, change: Any) -> None:
        at = change["new"]
        with self._lock:
            if not self._filling and isinstance(at, int) and 0 <= at < len(self._shown_runs):
                self._select(self._shown_runs[at])

    def _select(self, run: RunRecord | None) -> None:
        if run is self._selected and run is not None:
            return
        self._selected = run
        self.again_button.disabled = self.save_case.disabled = run is None
        self.result.value = "" if run is None else bounded_html(run, run_html(run, picture=False))
        self._steps.take(run)
        if run is not None:
            self.live.show_run(run)

    @property
    def selected(self) -> RunRecord | None:
        """The run that is shown."""
        return self._selected

    def _begin(self) -> None:
        """Fill the controls with what was asked last, or else with the first example."""
        run = self._newest
        if run is not None and isinstance(run.path, str):
            self._fill(run.path, run.method, body_text(run) or "")
        elif self._examples:
            self._fill(self._examples[0].path, self._examples[0].method, self._examples[0].body)

    def _take_example(self, change: Any) -> None:
        at = change["new"]
        if isinstance(at, int) and 0 <= at < len(self._examples):
            example = self._examples[at]
            self._fill(example.path, example.method, example.body)

    def _fill(self, path: str, method: str, body: str) -> None:
        self.path.value = path
        self.method.value = method if method in _METHODS else "auto"
        self.kind.value, self.body.value = "JSON", body

    def _save_case(self) -> None:
        name = self.case_name.value.strip()
        if not name:
            self.status.value = notice("A test case needs a name.", "wrong")
            return
        try:
            self.server.record(name, self._selected)
        except (GraphkitError, OSError) as exc:
            self.status.value = notice(str(exc), "wrong")
        else:
            self.status.value = notice(f"Saved as {name!r} in cases.yaml.", "good")

    def _show_view(self, change: Any = None) -> None:
        for name, box in self._views.items():
            shown(box, name == self.view.value)
        if change is not None and change["old"] == "Steps" and self._selected is not None:
            self.live.show_run(self._selected)  # all of it, again

    # ---- showing ------------------------------------------------------------------------------------------

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until what has happened so far is shown."""
        self._refresh.wait(timeout_s)
        self.live.settle(timeout_s)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        made = super()._repr_mimebundle_(include=include, exclude=exclude, **kwargs)
        data, metadata = made if isinstance(made, tuple) else (made or {}, {})
        static = static_forms(self.server, include, exclude)
        shell = shell_of_notebook()
        if shell is None or WIDGET not in data:
            return {**data, **static}, metadata
        # as with a graph: without its kernel, the one output says that it is not there, and the other is seen
        shell.display_pub.publish({WIDGET: data[WIDGET]}, metadata)
        return hidden_while_live(static, self.live.twin), {}

    def __repr__(self) -> str:
        return f"Playground({escape(repr(self.server), quote=False)})"


def _share() -> Any:
    return w.Layout(width="auto", flex="1 1 0", min_width="0")


class _Listener:
    """What the graph's watch holds: it notes runs of this server that others started, and keeps nothing alive."""

    def __init__(self, playground: Playground) -> None:
        self._playground = weakref.ref(playground)

    def run_ended(self, server: Any, record: Any) -> None:
        """Note a run."""
        playground = self._playground()
        if playground is not None and server is playground.server:
            playground._refresh.ask()

    def changed(self) -> None:
        """Note a change of the graph."""
        playground = self._playground()
        if playground is not None:
            playground._refresh.ask()
