"""The playground's views beside the result: a run step by step, two runs compared, and bursts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as w

from graphkit.cases.runs import compare
from graphkit.core.errors import GraphkitError
from graphkit.notebook.asking import read_typed
from graphkit.notebook.playground_parts import bounded_html, button, notice, run_label
from graphkit.runtime.records import RunRecord
from graphkit.runtime.stepper import Moment, Stepper
from graphkit.view.preview import preview_html
from graphkit.view.run_table import duration

_WIDE = {"description_width": "initial"}
_ALL = "the whole run"
_FROM_THE_START = ""  # not None: to a list of choices that means that nothing is chosen
_TICK_S = 0.2
_ROW = "row wrap"


class StepPanel:
    """Walks through the selected run, and replays it from the step at which it stands, or from another."""

    def __init__(self, playground: Any) -> None:
        self._playground = playground
        self._stepper: Stepper | None = None
        self.back = button("◀ Back", "Go to the step before")
        self.forward = button("Forward ▶", "Go to the next step")
        self.place = w.IntSlider(
            value=0, min=0, max=0, description="Step", style=_WIDE, layout=w.Layout(flex="1 1 240px")
        )
        self.start = w.Dropdown(options=[(_ALL, _FROM_THE_START)], description="Replay from", style=_WIDE)
        self.replay = button("Replay", "Run it again with the recorded input, through the graph as it is now")
        self.moment = w.HTML()
        row = w.Layout(flex_flow=_ROW, align_items="center", width="100%")
        self.box = w.VBox(
            [
                w.HBox([self.back, self.forward, self.place], layout=row),
                self.moment,
                w.HBox([self.start, self.replay], layout=row),
            ]
        )
        self.place.observe(lambda change: self._go(change["new"]), "value")
        self.back.on_click(lambda _: self._go(self.place.value - 1))
        self.forward.on_click(lambda _: self._go(self.place.value + 1))
        self.replay.on_click(lambda _: self._playground.replay(self.start.value or None))

    def take(self, run: RunRecord | None) -> None:
        """Show another run, from its beginning."""
        self._stepper = None  # what follows moves the slider, which must not be taken for the user's hand
        steps = () if run is None else run.steps
        self.place.value = 0
        self.place.max = len(steps)
        names = dict.fromkeys(step.name for step in steps)
        chosen = self.start.value
        self.start.options = [(_ALL, _FROM_THE_START), *((name, name) for name in names)]
        self.start.value = chosen if chosen in names else _FROM_THE_START
        self._stepper = None if run is None else Stepper(run)
        self.moment.value = "" if self._stepper is None else _moment_html(self._stepper.moment)

    def _go(self, place: int) -> None:
        stepper = self._stepper
        if stepper is None:
            return
        moment = stepper.go(place - 1)
        self.moment.value = _moment_html(moment)
        self.place.value = moment.position + 1
        if moment.step is not None and any(value == moment.step.name for _, value in self.start.options):
            self.start.value = moment.step.name
        self._playground.live.show_run(stepper.run, moment.position + 1)


def _number() -> Any:
    return w.Layout(width="150px")


def _moment_html(moment: Moment) -> str:
    if moment.step is None:
        return notice(f"Before the first of {moment.total:,} steps.")
    step = moment.step
    output = f"<b>failed</b> {escape(step.error)}" if step.error else preview_html(step.output)
    taken = " (taken over from the run that was replayed)" if step.replayed else ""
    answer = "" if moment.answer is None else f"<div><b>answer</b> {preview_html(moment.answer)}</div>"
    return (
        '<div role="status" style="color:var(--jp-content-font-color1,inherit);line-height:1.4;overflow-wrap:anywhere">'
        f"<div>{moment.position + 1:,} of {moment.total:,}: <b>{escape(step.name)}</b> {escape(step.kind)} "
        f"{escape(duration(step.duration_us))}{taken}</div>"
        f"<div><b>input</b> {preview_html(step.input)}</div><div><b>output</b> {output}</div>{answer}</div>"
    )


class ComparePanel:
    """Two runs, compared step by step."""

    def __init__(self) -> None:
        self._runs: list[RunRecord] = []
        self._numbered: list[str] = []
        layout = w.Layout(width="auto")
        aligned = {"description_width": "48px"}
        self.before = w.Dropdown(options=[], description="Before", style=aligned, layout=layout)
        self.after = w.Dropdown(options=[], description="After", style=aligned, layout=layout)
        self.button = button("Compare runs", "Compare the two runs step by step")
        self.table = w.HTML()
        self.box = w.VBox([self.before, self.after, w.HBox([self.button]), self.table])
        self.button.on_click(lambda _: self._compare())

    def offer(self, runs: Sequence[RunRecord]) -> None:
        """Offer runs, the newest first; the two newest are chosen, or what a replay was of."""
        self._runs = list(runs)
        self._numbered = [f"{len(runs) - at}. {run_label(run)}" for at, run in enumerate(runs)]
        options = [(label, at) for at, label in enumerate(self._numbered)]
        for choice in (self.before, self.after):
            choice.options = options
        if runs:
            original = next((at for at, run in enumerate(runs) if run.id == runs[0].replay_of), min(1, len(runs) - 1))
            self.before.value, self.after.value = original, 0

    def _compare(self) -> None:
        if not self._runs:
            self.table.value = notice("There are no runs yet.", "wrong")
            return
        places = self.before.value, self.after.value
        before, after = (self._runs[place] for place in places)
        self.table.value = _heading(*(self._numbered[place] for place in places)) + bounded_html(compare(before, after))


def _heading(before: str, after: str) -> str:
    said = "".join(f"<div>{name}: <b>{escape(run)}</b></div>" for name, run in (("before", before), ("after", after)))
    return f'<div style="color:var(--jp-content-font-color1,inherit);line-height:1.4;padding-top:4px">{said}</div>'


class BurstPanel:
    """One event, many times at once, with its progress and its latencies."""

    def __init__(self, playground: Any) -> None:
        self._playground = playground
        self.burst: Any = None
        self.count = w.BoundedIntText(
            value=100, min=1, max=1_000_000, description="Events", style=_WIDE, layout=_number()
        )
        self.concurrency = w.BoundedIntText(
            value=4, min=1, max=256, description="At once", style=_WIDE, layout=_number()
        )
        self.start = button("Start burst", "Send the event above many times; nothing is recorded", "primary")
        self.stop = button("Stop burst", "Send no more", "warning", disabled=True)
        self.progress = w.IntProgress(value=0, min=0, max=1, description="Progress", style=_WIDE)
        self.report = w.HTML()
        row = w.Layout(flex_flow=_ROW, align_items="center", width="100%")
        self.box = w.VBox(
            [
                w.HBox([self.count, self.concurrency, self.start, self.stop], layout=row),
                self.progress,
                self.report,
            ]
        )
        self.start.on_click(lambda _: self._start())
        self.stop.on_click(lambda _: self._stop())

    def _start(self) -> None:
        asked = self._playground
        text = asked.body.value
        typed = read_typed(text) if asked.kind.value == "JSON" else None
        if typed is not None and typed.problem:
            self.report.value = notice(f"The body is not JSON: {typed.said}", "wrong")
            return
        self.start.disabled, self.stop.disabled = True, False
        self.progress.value, self.progress.max = 0, self.count.value
        self.report.value = notice("Running …")
        body, content_type = (text, "text/plain") if typed is None else (typed.value, None)
        method = "" if asked.method.value == "auto" else asked.method.value
        options = (asked.path.value or "/", body, self.count.value, self.concurrency.value, method, content_type)
        # binding the graph may take long, too
        threading.Thread(target=self._run, args=options, name="graphkit-burst", daemon=True).start()

    def _run(self, *options: Any) -> None:
        try:
            self.burst = self._playground.server._new_burst(*options).start()
            while not self.burst.wait(_TICK_S) and not self.burst.cancelled:
                self.progress.value = self.burst.ended
            report = self.burst.finish()
            self.progress.value = report.sent
            self.report.value = bounded_html(report)
        except (GraphkitError, TypeError) as exc:  # it cannot be sent; the reason is the user's
            self.report.value = notice(str(exc), "wrong")
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _stop(self) -> None:
        if self.burst is not None:
            self.burst.cancel()
