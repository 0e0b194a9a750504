"""The inspector: what it says of a step and of an edge, that all of it is escaped, and that it is bounded."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import graphkit
from graphkit import GraphServer, new_flow, new_router
from graphkit.notebook.inspector import MOST_CHARACTERS, edge, panel

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """What an HTML page is made of: its tags with their attributes, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def read(source: str) -> Page:
    """Return a panel, after checking that it is well formed, bounded, and holds nothing that could run or load."""
    page = Page(source)
    assert page.open == []
    assert len(source) < 200_000
    allowed = {"div", "style", "b", "span", "details", "summary", "pre", "code", "table", "tr", "th", "td", "thead",
               "tbody", "img", "br", "ul", "li"}  # fmt: skip
    assert {tag for tag, _ in page.tags} <= allowed
    for tag, attributes in page.tags:
        assert set(attributes) <= {"class", "style", "open", "alt", "src", "title", "colspan"}, (tag, attributes)
        if tag == "img":
            assert re.fullmatch(r"data:image/(png|jpeg|svg\+xml);base64,[A-Za-z0-9+/=]+", attributes.get("src") or "")
    return page


def tidy(body: Any) -> Any:
    """Say <b>nothing</b>."""
    # a comment
    return {**body, "rows": [row for row in body["rows"] if row], "count": len(body["rows"])}


def share(body: Any) -> Any:
    return 1 / body["count"]


class Scale:
    def __init__(self, by: int, offset: Any = None) -> None:
        self.by = by

    def do(self, body: Any) -> Any:
        return body * self.by


class Model(graphkit.V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Broken(Model):
    def load(self) -> None:
        raise FileNotFoundError("no model.pkl")


def show(body: Any, step: Any, path: str = "step", **test: Any) -> Page:
    """Return the panel of one step that was tested with a body."""
    server = served(step)
    server.test(body=body, silent=True, content_type="text/plain", **test)
    return read(panel(server.graph, server, path))


def served(step: Any) -> GraphServer:
    graph = new_flow()
    graph.to(step, name="step").respond()
    server: GraphServer = graph.to_mock_server()
    return server


# ---- what is said --------------------------------------------------------------------------------------------------


def test_before_any_run_and_without_a_server_there_is_the_code() -> None:
    graph = new_flow()
    graph.to(tidy).to(Scale, by=3, offset={"x": [1]})
    page = read(panel(graph, None, "tidy"))
    assert "def tidy(body: Any) -> Any:" in page.text
    assert "Say <b>nothing</b>." in page.text
    assert "test_inspector.py:" in page.text
    assert "not bound yet" in page.text
    assert "no recorded run has come here yet" in page.text
    scale = read(panel(graph, None, "Scale")).text
    assert "class Scale:" in scale
    assert "by3" in scale
    assert "{'x': [1]}" in scale


def test_source_has_classes_for_its_words() -> None:
    graph = new_flow()
    graph.to(tidy)
    page = read(panel(graph, None, "tidy"))
    assert {"gki-k", "gki-s", "gki-c", "gki-f"} <= {attributes.get("class") for _, attributes in page.tags}


def test_what_went_in_and_out_and_what_changed() -> None:
    page = show({"rows": [1, 0], "old": {"x": 1}}, tidy)
    assert "POST / -> 200" in page.text
    assert "old {'x': 1}" in page.text
    assert "~rows[1, 0] → [1]" in page.text
    assert "+count2" in page.text
    assert "bound" in page.text


def test_a_body_that_stays_the_same_is_said_to() -> None:
    assert "changed nothing" in show({"a": 1}, dict).text


def test_columns_that_came_and_went() -> None:
    page = show(
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}), lambda frame: frame.rename(columns={"b": "c"}).assign(a=[1, 3])
    )
    assert re.search(r"-bcolumn.*\+ccolumn.*~acolumn → column", page.text, re.DOTALL)


def test_a_failure_shows_the_users_lines() -> None:
    page = show({"rows": [], "count": 0}, share)
    assert "ZeroDivisionError: division by zero" in page.text
    assert 'return 1 / body["count"]' in page.text
    assert "graphkit/" not in page.text.partition("failed")[2].partition("Source")[0]


def test_tables_arrays_images_and_text_are_shown_as_what_they_are() -> None:
    page = show(0, lambda _: {
        "frame": pd.DataFrame({"a": range(100)}),
        "array": np.arange(12.0).reshape(3, 4),
        "image": Image.new("RGB", (40, 30), "red"),
        "grey": np.arange(256, dtype=np.uint8).reshape(16, 16),
        "tree": {"x": [{"y": "z" * 100}] * 3},
    })  # fmt: skip
    assert "DataFrame, 100 rows x 1 column, the first of them shown" in page.text
    assert "array 3 x 4, float64, from 0 to 11" in page.text
    assert "array 16 x 16, uint8, from 0 to 255" in page.text
    assert "40 x 30 RGB" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 2


def test_a_figure_is_a_picture() -> None:
    from matplotlib.figure import Figure

    def draw(_: Any) -> Any:
        figure = Figure()
        figure.subplots().plot([1, 2])
        return figure

    assert any(tag == "img" for tag, _ in show(0, draw).tags)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a\nb", "a\nb"), (None, "None"), (1.5, "1.5"), (b"\x00", "b'\\x00'"), ([], "[]"), (np.float64(2), "2.0")],
)
def test_plain_values(value: Any, expected: str) -> None:
    assert expected in show(0, lambda _: value).text


def test_models_say_how_they_stand() -> None:
    router = new_router()
    router.add_route("good", class_name=Model)
    router.add_route("bad", class_name=Broken)
    server = GraphServer(router)
    assert "not bound yet" in read(panel(router, server, "good")).text
    server.test("good/infer", {"inputs": [1]})
    assert "its model is loaded" in read(panel(router, server, "good")).text
    bad = read(panel(router, server, "bad")).text
    assert "its model could not be loaded" in bad
    assert "FileNotFoundError: no model.pkl" in bad
    router_page = read(panel(router, server, "")).text
    assert "Routes, 2" in router_page
    assert "goodModelbound, its model is loaded" in router_page
    assert "POST good/infer -> 200" in router_page


def test_code_that_changed_since_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    server = served("tidy")
    server.test(body={"rows": []})
    assert "changed since" not in read(panel(server.graph, server, "step")).text
    monkeypatch.setitem(globals(), "tidy", lambda body: body)
    assert "changed since" in read(panel(server.graph, server, "step")).text
    server.test(body={"rows": []})
    assert "changed since" not in read(panel(server.graph, server, "step")).text


def test_arguments_that_changed_since_are_told() -> None:
    server = served(Scale)
    server.graph["step"].class_args = {"by": 2}
    server.test(body=1)
    assert "changed since" not in read(panel(server.graph, server, "step")).text
    server.graph["step"].class_args["by"] = 5
    assert "changed since" in read(panel(server.graph, server, "step")).text


def test_a_step_added_since_is_not_bound_yet() -> None:
    server = served(tidy)
    server.test(body={"rows": []})
    server.graph["step"].to(share)
    assert "not bound yet" in read(panel(server.graph, server, "share")).text


@pytest.mark.parametrize(("name", "why"), [("nothing_here", "not defined"), ("some.where.f", "not imported yet")])
def test_a_name_that_means_nothing_is_told_and_nothing_is_imported(name: str, why: str) -> None:
    graph = new_flow()
    graph.to(name="step", handler=name)
    assert f"'{name}' is {why}" in read(panel(graph, None, "step")).text


def test_nothing_is_constructed_and_the_graph_stays_as_it_is() -> None:
    made = []

    class Counted:
        def __init__(self) -> None:
            made.append(1)

        def do(self, body: Any) -> Any:
            return body

    graph = new_flow()
    graph.to(Counted)
    before, revision = graph.to_dict(), graph._revision
    panel(graph, None, "Counted")
    assert (made, graph.to_dict(), graph._revision) == ([], before, revision)


def test_a_queue_says_where_it_writes_and_how_much_is_there(request: pytest.FixtureRequest) -> None:
    graph = new_flow()
    graph.to(">>", name="out", path=f"memory://inspected-{id(request)}")
    server = graph.to_mock_server()
    server.test(body=1)
    server.test(body=2)
    assert f"memory://inspected-{id(request)}, 2 entries" in read(panel(graph, server, "out")).text


def test_a_step_that_did_not_run_last_shows_an_earlier_run() -> None:
    router = new_router()
    router.add_route("a", handler="(event['x'])")
    router.add_route("b", handler="(event['y'])")
    server = GraphServer(router)
    server.test("a", {"x": 1})
    server.test("b", {"y": 2})
    assert "an earlier run" in read(panel(router, server, "a")).text
    assert "an earlier run" not in read(panel(router, server, "b")).text


def test_a_step_that_ran_several_times_shows_each() -> None:
    graph = new_flow()
    graph.to("FlatMap", name="each", _fn="(event)").to(name="step", handler="(event + 1)")
    server = graph.to_mock_server()
    server.test(body=[1, 2, 3, 4, 5])
    page = read(panel(graph, server, "step"))
    assert "5 of 5" in page.text
    assert "2 of 5" not in page.text


def test_the_graph_itself_shows_the_last_run() -> None:
    server = served(tidy)
    server.test(body={"rows": [1]})
    assert "answer" in read(panel(server.graph, server, "")).text


def test_steps_of_nested_flows_are_found_by_their_path() -> None:
    graph = new_flow()
    inner = graphkit.FlowStep("inner")
    graph.to(inner)
    inner.to(name="add", handler="(event + 1)")
    server = graph.to_mock_server()
    server.test(body=1)
    page = read(panel(graph, server, "inner/add"))
    assert "(event + 1)" in page.text
    assert "output int2" in page.text
    assert "output int2" in read(panel(graph, server, "inner")).text


def test_an_unknown_step_is_named_with_the_nearest() -> None:
    graph = new_flow()
    graph.to(tidy)
    assert "there is no step 'tidi'; there is 'tidy', did you mean 'tidy'?" in read(panel(graph, None, "tidi")).text


def test_problems_of_structure_are_told() -> None:
    graph = new_flow()
    graph.to(tidy)
    graph["tidy"].after = ["nobody"]
    assert "after names 'nobody'" in read(panel(graph, None, "tidy")).text


def test_a_step_that_cannot_feed_the_next_is_warned_of_at_both_and_at_the_edge() -> None:
    def number(body: Any) -> int: ...
    def shout(body: str) -> str: ...

    graph = new_flow()
    graph.to(number).to(shout)
    for source in (panel(graph, None, "number"), panel(graph, None, "shout"), edge(graph, None, "number", "shout")):
        assert "'number' gives int, 'shout' takes str" in read(source).text
    assert "warning: 'number' gives int, 'shout' takes str" in repr(graph.inspect("shout"))


# ---- edges ---------------------------------------------------------------------------------------------------------


def test_an_edge_shows_what_crossed_it() -> None:
    graph = new_flow()
    graph.to(tidy).to(share)
    server = graph.to_mock_server()
    assert "nothing has crossed here" in read(edge(graph, server, "tidy", "share")).text
    server.test(body={"rows": [1, 2]})
    page = read(edge(graph, server, "tidy", "share"))
    assert "tidy → share" in page.text
    assert "count 2" in page.text
    assert "rows [1, 2]" in read(edge(graph, server, "", "tidy")).text


def test_an_edge_to_an_error_handler_shows_the_error() -> None:
    graph = new_flow()
    graph.to(share).error_handler(name="caught", handler="(0)")
    server = graph.to_mock_server()
    server.test(body={"count": 0})
    assert "ZeroDivisionError" in read(edge(graph, server, "share", "caught")).text


def test_the_edge_of_an_unknown_step_says_so() -> None:
    graph = new_flow()
    graph.to(tidy)
    assert "there is no step 'x'" in read(edge(graph, None, "x", "tidy")).text


# ---- what may not happen -------------------------------------------------------------------------------------------


def evil_name() -> Any:
    graph = new_flow()
    name = EVIL.replace("/", "|")  # a name holds no "/"
    graph.to(name=name, handler="(event)")
    return graph, name, 1


def evil_expression() -> Any:
    graph = new_flow()
    graph.to(name="step", handler=f"('{EVIL[:-3]}')")
    return graph, "step", 1


def evil_argument() -> Any:
    graph = new_flow()
    graph.to(Scale, name="step", by=1, offset=EVIL)
    return graph, "step", 1


def evil_value() -> Any:
    graph = new_flow()
    graph.to(lambda body: {EVIL: EVIL, "frame": pd.DataFrame({EVIL: [EVIL]}, index=[EVIL])}, name="step")
    return graph, "step", EVIL


def evil_error() -> Any:
    def fail(body: Any) -> Any:
        raise ValueError(EVIL)

    graph = new_flow()
    graph.to(fail, name="step")
    return graph, "step", {EVIL: 1}


class Rich:
    """Its own HTML is not to be trusted."""

    def _repr_html_(self) -> str:
        return "<script>alert(1)</script>"

    def __repr__(self) -> str:
        return EVIL


def evil_object() -> Any:
    graph = new_flow()
    graph.to(lambda body: [Rich(), Rich()], name="step")
    return graph, "step", 1


def evil_names_of_fields() -> Any:
    graph = new_flow()
    step = graph.to(name="step", handler="(event)", input_path=EVIL, result_path=EVIL)
    step.comment = EVIL
    step.error_handler(name=EVIL.replace("/", "|"), handler="(event)")
    return graph, "step", 1


@pytest.mark.parametrize(
    "make", [evil_name, evil_expression, evil_argument, evil_value, evil_error, evil_object, evil_names_of_fields]
)
def test_scripts_are_shown_as_text(make: Callable[[], Any]) -> None:
    graph, path, body = make()
    server = graph.to_mock_server()
    server.test(body=body, silent=True, content_type="text/plain")
    source = panel(graph, server, path)
    assert "alert(1)" in read(source).text
    assert "<script" not in source.lower()


def test_an_object_whose_every_method_fails_does_no_harm() -> None:
    class Odd:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("no")

        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    assert "Odd" in show(0, lambda _: Odd()).text


def test_a_step_whose_ready_raises_does_no_harm() -> None:
    class Odd:
        @property
        def ready(self) -> Any:
            raise RuntimeError("no")

        error = None

        def do(self, body: Any) -> Any:
            return body

    assert "bound" in show(1, Odd).text


@pytest.mark.parametrize("size", ["text", "list", "frame", "array", "keys", "image"])
def test_50_mb_give_a_preview(size: str) -> None:
    values: dict[str, Callable[[], Any]] = {
        "text": lambda: "<&>" * 17_000_000,
        "list": lambda: [["<&>" * 300] * 40] * 1_500,
        "frame": lambda: pd.DataFrame(np.zeros((350_000, 20))),
        "array": lambda: np.zeros((7_000_000,)),
        "keys": lambda: {f"<&>{i}" * 20: "x" for i in range(300_000)},
        "image": lambda: np.random.default_rng(1).integers(0, 256, (4_100, 4_100, 3), dtype=np.uint8),
    }
    value = values[size]()
    server = served(lambda _: value)
    server.test(body=1)
    source = panel(server.graph, server, "step")
    read(source)
    assert len(source) < MOST_CHARACTERS


def test_a_source_without_end_is_cut() -> None:
    graph = new_flow()
    graph.to(name="step", handler=f"({' + '.join(['event'] * 30_000)})")
    assert "more lines" in read(panel(graph, None, "step")).text


def test_secrets_stay_secret() -> None:
    secret = "swordfish-7"

    def tell(body: Any, context: Any) -> Any:
        return {"key": context.get_secret("KEY"), "frame": pd.DataFrame({"a": [context.get_secret("KEY")]})}

    graph = new_flow()
    graph.to(tell, name="step").to(Scale, name="scale", by=1, offset=secret)
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"KEY": secret}}])
    server.graph["step"].comment = secret
    server.test(body=1, silent=True)
    for path in ("step", "scale", ""):
        assert secret not in entities.unescape(panel(graph, server, path))
    assert secret not in entities.unescape(edge(graph, server, "step", "scale"))
