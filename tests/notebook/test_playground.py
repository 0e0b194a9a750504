"""The playground's Python side: what its controls do, with a real server and real widgets, without a page."""

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ipywidgets")
pytest.importorskip("anywidget")

from graphkit import GraphError, GraphServer, V2ModelServer, new_flow
from graphkit.models.model_spec import Feature, ModelSpec
from graphkit.notebook.playground import Playground
from graphkit.notebook.playground_parts import StaticPlayground
from graphkit.view.run_table import run_html

SOON_S = 20
NASTY = "<img src=x onerror=alert(1)>"


def until(condition: Any) -> None:
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def play(*handlers: Any, names: str = "abc") -> Playground:
    graph = new_flow()
    step = graph
    for name, handler in zip(names, handlers, strict=False):
        step = step.to(name=name, handler=handler)
    made: Playground = graph.to_mock_server(namespace=globals()).playground()
    return made


def ask(playground: Playground, body: str) -> None:
    playground.body.value = body
    playground.run_button.click()
    wait(playground)


def wait(playground: Playground) -> None:
    until(lambda: playground.pending.done())
    until(lambda: playground.cancel_button.disabled)
    playground.settle(SOON_S)


# ---- asking -------------------------------------------------------------------------------------------------------


def test_a_request_is_sent_and_its_run_is_shown() -> None:
    playground = play("(event['x'] + 1)", "(event * 2)")
    playground.path.value, playground.method.value = "/p", "PUT"
    ask(playground, '{"x": 4}')
    run = playground.server.last_run
    assert (run.path, run.method, run.answer) == ("/p", "PUT", 10)
    assert "Done: PUT /p" in playground.status.value
    assert playground.result.value == run_html(run, picture=False)
    assert "<img" not in playground.result.value
    assert "<img" in run._repr_html_()
    assert playground.selected is run
    assert [label for label, _ in playground.history.options] == [f"1. PUT /p → 200 in {label_time(run)}"]


def label_time(run: Any) -> str:
    from graphkit.view.run_table import duration

    return duration(run.duration_us)


def test_a_failing_run_says_so_and_shows_its_record() -> None:
    playground = play("(event['no'])")
    ask(playground, "{}")
    assert 'role="alert"' in playground.status.value
    assert "Failed: POST / → " in playground.status.value
    assert "failed" in playground.result.value


@pytest.mark.parametrize(("text", "said"), [("{", "line 1, column 2"), ("{'a': 1}", "double quotes"), ("NaN", "NaN")])
def test_a_body_that_is_not_json_is_said_as_it_is_typed_and_not_sent(text: str, said: str) -> None:
    playground = play("(event)")
    playground.body.value = text
    assert said in playground.problem.value
    assert playground.run_button.disabled
    playground.ask()
    assert playground.pending is None
    playground.body.value = "{}"
    assert (playground.problem.value, playground.run_button.disabled) == ("", False)


def test_a_body_may_be_plain_text() -> None:
    playground = play("(event + '!')")
    playground.kind.value = "text"
    ask(playground, "{no json")
    assert playground.server.last_run.answer == "{no json!"


def test_no_body_is_a_get() -> None:
    playground = play("(str(event))")
    ask(playground, "")
    assert (playground.server.last_run.method, playground.server.last_run.answer) == ("GET", "None")


def test_the_selected_run_is_repeated() -> None:
    playground = play("(event + 1)")
    ask(playground, "1")
    ask(playground, "2")
    playground.history.value = 1
    assert playground.selected.answer == 2
    playground.again_button.click()
    wait(playground)
    assert (playground.server.last_run.answer, playground.server.last_run.replay_of) == (
        2,
        playground.server.runs[0].id,
    )


def test_names_mean_what_they_mean_where_the_playground_was_made() -> None:
    server = GraphServer(new_flow())
    server.graph.to(name="a", handler="helper_here")
    playground = server.playground()
    ask(playground, "1")
    assert playground.server.last_run.answer == "helped"


def helper_here(body: Any) -> str:
    return "helped"


# ---- runs that hang -----------------------------------------------------------------------------------------------


def test_a_hanging_run_blocks_nothing_and_can_be_cancelled() -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(body: Any) -> Any:
        begun.set()
        release.wait(SOON_S)
        return body

    playground = play("(event)", hang)
    playground.body.value = "1"
    playground.run_button.click()
    assert begun.wait(SOON_S)
    assert not playground.cancel_button.disabled
    assert "Running" in playground.status.value
    playground.run_button.click()
    assert "A run is under way" in playground.status.value
    playground.cancel_button.click()
    wait(playground)
    release.set()
    assert "Cancelled: " in playground.status.value
    assert "cancelled in step &#x27;b&#x27;" in playground.result.value
    assert playground.cancel_button.disabled
    playground.cancel_button.click()


# ---- history ------------------------------------------------------------------------------------------------------


def test_runs_of_cells_appear_and_a_click_shows_an_older_one() -> None:
    playground = play("(event + 1)")
    for number in range(3):
        playground.server.test(body=number)
    until(lambda: len(playground.history.options) == 3)
    playground.settle(SOON_S)
    assert playground.selected is playground.server.last_run
    playground.history.value = 2
    first = playground.server.runs[0]
    assert playground.selected is first
    assert playground.result.value == run_html(first, picture=False)


def test_the_choice_stays_when_the_graph_changes() -> None:
    playground = play("(event + 1)")
    ask(playground, "1")
    ask(playground, "2")
    playground.history.value = 1
    playground.server.graph["a"].comment = "changed"
    playground.settle(SOON_S)
    assert playground.selected is playground.server.runs[0]
    assert playground.history.value == 1


def test_the_history_is_as_long_as_the_server_keeps_runs() -> None:
    graph = new_flow()
    graph.to(name="a", handler="(event)")
    playground = graph.to_mock_server(parameters={"keep_runs": 5}).playground()
    for number in range(20):
        playground.server.test(body=number)
    until(lambda: len(playground.history.options) == 5)
    playground.settle(SOON_S)
    assert playground.history.options[0][0].startswith("5. ")


def test_paths_and_examples_come_from_the_graph_and_its_models() -> None:
    class Model(V2ModelServer):
        def load(self) -> None:
            self.model_spec = ModelSpec(inputs=[Feature(name="a", value_type="float")])

        def predict(self, request: Any) -> Any:
            return [0]

    graph = new_flow()
    graph.to("*", "models").add_route("m", class_name=Model)
    playground = graph.to_mock_server().playground()
    assert "/v2/models/m/infer" in playground.path.options
    playground.path.value = "/v2/models/m/infer"
    ask(playground, '{"inputs": [7]}')
    names = [name for name, _ in playground.example.options]
    assert names[-1] == "schema of m: /v2/models/m/infer"
    playground.path.value = "/"
    playground.example.value = len(names) - 2
    assert (playground.path.value, playground.body.value) == ("/v2/models/m/infer", '{"inputs": [[0.0]]}')
    graph["models"].add_route("later", class_name=Model)
    until(lambda: "/v2/models/later/infer" in playground.path.options)


def test_it_begins_with_what_was_asked_last() -> None:
    server = play("(event)").server
    server.test("/first", body=1)
    server.test("/last", body={"x": [1, 2]}, method="PUT")
    playground = server.playground()
    assert (playground.path.value, playground.method.value) == ("/last", "PUT")
    assert (playground.kind.value, playground.body.value) == ("JSON", '{"x": [1, 2]}')
    assert not playground.run_button.disabled


def test_without_runs_it_begins_with_what_a_model_says_that_it_takes() -> None:
    class Model(V2ModelServer):
        def load(self) -> None:
            self.model_spec = ModelSpec(inputs=[Feature(name="a", value_type="float")])

        def predict(self, request: Any) -> Any:
            return [0]

    graph = new_flow()
    graph.to("*", "models").add_route("m", class_name=Model)
    server = graph.to_mock_server()
    server.test("/v2/models/m/infer", body={"inputs": [[1]]}, silent=True)
    server.runs.clear()
    playground = server.playground()
    assert (playground.path.value, playground.method.value) == ("/v2/models/m/infer", "POST")
    assert playground.body.value == '{"inputs": [[0.0]]}'


# ---- step by step, replay, compare --------------------------------------------------------------------------------


def test_steps_forward_and_back() -> None:
    playground = play("(event + 1)", "(event * 2)")
    ask(playground, "1")
    steps = playground._steps
    assert "Before the first of 2 steps" in steps.moment.value
    assert (steps.place.max, steps.place.value) == (2, 0)
    steps.forward.click()
    assert "1 of 2: <b>a</b>" in steps.moment.value
    steps.place.value = 2
    assert "2 of 2: <b>b</b>" in steps.moment.value
    assert "answer" in steps.moment.value
    steps.forward.click()
    assert steps.place.value == 2
    steps.back.click()
    assert (steps.place.value, steps.start.value) == (1, "a")
    steps.back.click()
    steps.back.click()
    assert steps.place.value == 0


def test_the_step_to_replay_from_stays_a_valid_choice_with_a_new_run() -> None:
    playground = play("(event + 1)", "(event * 2)")
    ask(playground, "1")
    start = playground._steps.start
    assert start.index == 0
    playground._steps.forward.click()
    assert start.value == "a"
    ask(playground, "2")
    assert (start.index, start.label) == (1, "a")
    playground.server.graph["a"].handler = "(event['no'])"
    playground._steps.place.value = 2
    assert start.label == "b"
    ask(playground, "3")
    assert (start.index, start.label) == (0, "the whole run")


def test_a_comparison_says_which_runs_it_compares() -> None:
    playground = play("(event)")
    for path in ("/one", "/two", "/<b>three"):
        playground.path.value = path
        ask(playground, "1")
    compare = playground._compare
    compare.before.value = 2
    compare.button.click()
    heading = compare.table.value.partition("<table")[0]
    assert "1. POST /one" in heading
    assert "3. POST /&lt;b&gt;three" in heading
    assert "/two" not in heading


def test_a_replay_from_a_step_after_its_code_changed_is_compared_with_its_original() -> None:
    playground = play("({'x': event})", "({'y': event['x'] + 1})")
    ask(playground, "1")
    playground.server.graph["b"].handler = "({'y': event['x'] + 5})"
    playground._steps.start.value = "b"
    playground._steps.replay.click()
    wait(playground)
    record = playground.server.last_run
    assert (record.answer, record.start) == ({"y": 6}, "b")
    assert [step.replayed for step in record.steps] == [True, False]
    assert "replay from b" in playground.history.options[0][0]
    compare = playground._compare
    assert (compare.before.value, compare.after.value) == (1, 0)
    compare.button.click()
    assert "y: 2 -&gt; 6" in compare.table.value


def test_what_cannot_be_replayed_is_said() -> None:
    class Odd:
        pass

    playground = play(lambda body: Odd(), "(1)")
    ask(playground, "1")
    playground._steps.start.value = "b"
    playground._steps.replay.click()
    assert "was not kept whole" in playground.status.value
    assert playground.cancel_button.disabled


def test_without_runs_nothing_can_be_repeated_or_compared() -> None:
    playground = play("(event)")
    assert playground.again_button.disabled
    playground.ask_again()
    assert "There is no run yet" in playground.status.value
    playground._compare.button.click()
    assert "There are no runs yet" in playground._compare.table.value
    playground._steps.forward.click()


def test_the_picture_shows_the_whole_run_again_when_the_steps_are_left() -> None:
    playground = play("(event + 1)", "(event * 2)")
    ask(playground, "1")
    laid: list[Any] = []
    show = playground.live.show_run
    playground.live.show_run = lambda run, steps=None: (laid.append(steps), show(run, steps))
    playground.view.value = "Steps"
    playground._steps.forward.click()
    playground.view.value = "Burst"
    assert laid[-2:] == [1, None]


def test_one_view_is_shown_at_a_time() -> None:
    playground = play("(event)")
    for name in ("Steps", "Compare", "Burst", "Result"):
        playground.view.value = name
        assert [view for view, box in playground._views.items() if box.layout.display != "none"] == [name]


# ---- bursts -------------------------------------------------------------------------------------------------------


def test_a_burst_shows_its_progress_and_its_report() -> None:
    playground = play("(event)")
    playground.body.value = "1"
    burst = playground._burst
    burst.count.value, burst.concurrency.value = 60, 3
    burst.start.click()
    until(lambda: "<svg" in burst.report.value)
    until(lambda: not burst.start.disabled)
    assert (burst.progress.value, burst.progress.max) == (60, 60)
    assert "60 events to /, 3 at once" in burst.report.value
    assert len(playground.server.runs) == 0


def test_a_burst_can_be_stopped() -> None:
    release = threading.Event()
    playground = play(lambda body: release.wait(SOON_S))
    burst = playground._burst
    burst.count.value = 1000
    burst.start.click()
    until(lambda: burst.burst is not None)
    assert not burst.stop.disabled
    burst.stop.click()
    release.set()
    until(lambda: "cancelled" in burst.report.value)


@pytest.mark.parametrize(
    ("body", "handler", "said"), [("{", "(event)", "not JSON"), ("1", "no_such_name", "no_such_name")]
)
def test_a_burst_that_cannot_be_sent_says_why(body: str, handler: str, said: str) -> None:
    playground = play(handler)
    playground.body.value = body
    playground._burst.start.click()
    until(lambda: said in playground._burst.report.value)
    until(lambda: not playground._burst.start.disabled)


# ---- cases --------------------------------------------------------------------------------------------------------


def test_a_good_run_becomes_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    playground = play("(event + 1)")
    ask(playground, "1")
    playground.save_case.click()
    assert "needs a name" in playground.status.value
    playground.case_name.value = "one"
    playground.save_case.click()
    assert "Saved as &#x27;one&#x27;" in playground.status.value
    assert "answer: 2" in (tmp_path / "cases.yaml").read_text(encoding="utf-8")


# ---- what users write is text -------------------------------------------------------------------------------------


def test_nothing_that_a_user_wrote_is_html() -> None:
    def fail(body: Any) -> Any:
        raise ValueError(NASTY)

    playground = play("(event)", fail, names=[NASTY.replace("/", ""), "fail"])
    playground.path.value = f"/{NASTY}"
    ask(playground, f'{{"x": "{NASTY}"}}')
    playground._steps.forward.click()
    playground._compare.button.click()
    playground._burst.count.value = 2
    playground._burst.start.click()
    until(lambda: "<svg" in playground._burst.report.value)
    playground.path.value = "/"
    playground.kind.value = "text"
    shown = [
        playground.status.value,
        playground.result.value,
        playground._steps.moment.value,
        playground._compare.table.value,
        playground._burst.report.value,
        playground._repr_mimebundle_()["text/html"] if isinstance(playground._repr_mimebundle_(), dict)
        else playground._repr_mimebundle_()[0]["text/html"],
    ]  # fmt: skip
    assert any("&lt;img" in html for html in shown)
    assert [html for html in shown if "<img src=x" in html] == []


def test_a_large_output_is_a_preview() -> None:
    playground = play(lambda body: {"rows": ["x" * 1000] * 50_000})
    ask(playground, "1")
    assert len(playground.result.value) < 300_000


def test_every_control_has_a_name() -> None:
    import ipywidgets as w

    playground = play("(event)")
    todo, named = list(playground.children), 0
    while todo:
        widget = todo.pop()
        todo += getattr(widget, "children", ())
        if isinstance(widget, (w.DOMWidget,)) and hasattr(widget, "description") and not isinstance(widget, w.HTML):
            assert widget.description, widget
            named += 1
    assert named >= 20


# ---- other forms --------------------------------------------------------------------------------------------------


def test_it_has_a_form_for_who_cannot_show_widgets() -> None:
    playground = play("(event)")
    ask(playground, "41")
    data, _ = playground._repr_mimebundle_(), None
    data = data[0] if isinstance(data, tuple) else data
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "<img" in data["text/html"]
    assert "41" in data["text/html"]
    assert "answer: 41" in data["text/plain"]
    assert not any(kind.startswith("image/") for kind in data)


@pytest.mark.parametrize("missing", ["ipywidgets", "anywidget"])
def test_without_the_widgets_there_is_a_static_form_that_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("graphkit.server.playing.find_spec", lambda name: None if name == missing else found(name))
    graph = new_flow()
    graph.to(name="a", handler="(event)")
    server = graph.to_mock_server()
    server.test(body=41)
    playground = server.playground()
    assert isinstance(playground, StaticPlayground)
    for form in (repr(playground), *playground._repr_mimebundle_().values()):
        assert "pip install" in form
        assert "41" in form


def test_a_server_without_a_graph_has_no_playground() -> None:
    with pytest.raises(GraphError, match="no graph yet"):
        GraphServer().playground()


def test_a_graph_that_is_not_right_yet_has_a_playground() -> None:
    graph = new_flow()
    graph.to("*", "empty")
    playground = graph.to_mock_server().playground()
    ask(playground, "1")
    assert "Failed" in playground.status.value
