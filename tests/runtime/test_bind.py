"""Binding: what is constructed, with which arguments; what is kept when a graph is bound again; what is wrong, told."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphkit import Event, FlowStep, GraphError, GraphServer, QueueStep, StepError, V2ModelServer, new_flow, new_router


class Cells:
    """A notebook: cells run in the namespace of one module."""

    def __init__(self, module: types.ModuleType) -> None:
        self.namespace = vars(module)
        self.namespace.update(made=[], closed=[])

    def run(self, source: str) -> None:
        exec(source, self.namespace)

    def __getitem__(self, name: str) -> Any:
        return self.namespace[name]


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    module = types.ModuleType("notebook_of_the_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Cells(module)


COUNTER = """
class Counter:
    def __init__(self, start=0, name=None):
        self.count = start
        made.append(name)

    def do(self, body):
        self.count += 1
        return [body, self.count]

    def close(self):
        closed.append(self.count)
"""


def serve(graph: Any, cells: Cells) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=cells.namespace)
    return server


# ---- what is constructed ------------------------------------------------------------------------------------------


class Takes:
    """Keeps what its constructor got."""

    def __init__(self, size: int, name: Any = None, context: Any = None, graph_step: Any = None) -> None:
        self.got = size, name, context, graph_step

    def do(self, body: Any) -> Any:
        return self.got


class TakesAnything:
    def __init__(self, **got: Any) -> None:
        self.got = got

    def do(self, body: Any) -> Any:
        return self.got


class TakesOwn:
    def __init__(self, size: int) -> None:
        self.size = size

    def do(self, body: Any) -> Any:
        return self.size


def test_a_class_gets_its_arguments_and_name_context_and_graph_step_where_it_accepts_them(
    new_graph: Any, ask: Any
) -> None:
    graph = new_graph()
    graph.to(Takes, "first", size=3)
    server = graph.to_mock_server()
    size, name, context, step = ask(server)
    assert (size, name, context) == (3, "first", server.context)
    assert (step.name, step.fullname, step.after, step.class_args) == ("first", "first", [], {"size": 3})


def test_a_class_with_open_arguments_gets_them_all(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(TakesAnything, "first", size=3)
    assert sorted(ask(graph.to_mock_server())) == ["context", "graph_step", "name", "size"]


def test_a_class_that_accepts_none_of_them_gets_its_own_alone(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(TakesOwn, size=3)
    assert ask(graph.to_mock_server()) == 3


def test_a_class_is_constructed_once_for_all_events(new_graph: Any, cells: Cells, ask: Any) -> None:
    cells.run(COUNTER)
    graph = new_graph()
    graph.to("Counter")
    server = serve(graph, cells)
    assert [ask(server, 1), ask(server, 1)] == [[1, 1], [1, 2]]
    assert cells["made"] == ["Counter"]


class Methods:
    def do_event(self, event: Event) -> Event:
        event.body = "do_event"
        return event

    def do(self, body: Any) -> str:
        return "do"

    def __call__(self, body: Any) -> str:
        return "call"

    def own(self, body: Any) -> str:
        return f"own {body}"


class Does(Methods):
    do_event = None  # type: ignore[assignment]


class Calls(Does):
    do = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"class_name": Methods, "handler": "own"}, "own 1"),
        ({"class_name": Methods}, "do_event"),
        ({"class_name": Does}, "do"),
        ({"class_name": Calls}, "call"),
        ({"class_name": str}, "1"),
        ({"class_name": "str"}, "1"),
        ({"class_name": list, "input_path": "a"}, ["x"]),
        ({"handler": "str"}, "1"),
        ({"handler": "json.dumps"}, "1"),
        ({"class_name": "fractions.Fraction"}, 1),
    ],
)
def test_what_a_step_calls(new_graph: Any, ask: Any, given: dict[str, Any], answer: Any) -> None:
    graph = new_graph()
    graph.add_step(name="step", **given)
    assert ask(graph.to_mock_server(), {"a": "x"} if "input_path" in given else 1) == answer


class Point:
    """Has no method that a graph knows, so that it is made of each body."""

    def __init__(self, body: Any) -> None:
        self.x = body


def test_a_class_with_no_known_method_is_called_on_the_body(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(Point).to(name="read", handler=lambda point: point.x)
    assert ask(graph.to_mock_server(), 5) == 5


def test_a_function_gets_the_context_where_it_has_that_parameter(new_graph: Any, ask: Any) -> None:
    def read(body: Any, context: Any) -> Any:
        return context.get_param("rate"), body

    async def read_later(body: Any, *, context: Any = None) -> Any:
        return context.get_param("rate"), *body

    graph = new_graph()
    graph.to(read).to(read_later)
    assert ask(graph.to_mock_server(parameters={"rate": 5}), 1) == (5, 5, 1)


def test_arguments_with_an_underscore_are_functions(new_graph: Any, ask: Any, cells: Cells) -> None:
    cells.run("def plus(x):\n    return x + offset\noffset = 1")
    graph = new_graph()
    graph.to("Map", "a", _fn="plus").to("Map", "b", _fn="(plus(event) * 10)").to("Map", "c", _fn=lambda x: -x)
    assert ask(serve(graph, cells), 1) == -30


def test_a_constructor_cannot_change_the_graph(new_graph: Any, ask: Any) -> None:
    class Spoils:
        def __init__(self, rows: list[Any], options: dict[str, Any]) -> None:
            rows.append("spoilt")
            options["deep"]["x"] = "spoilt"

        def do(self, body: Any) -> Any:
            return body

    graph = new_graph()
    step = graph.to(Spoils, rows=[1], options={"deep": {"x": 1}})
    before = graph.to_dict()
    ask(graph.to_mock_server())
    assert graph.to_dict() == before
    assert step.class_args == {"rows": [1], "options": {"deep": {"x": 1}}}


def test_other_objects_are_handed_over_as_they_are(new_graph: Any, ask: Any) -> None:
    class Keeps:
        def __init__(self, model: Any) -> None:
            self.model = model

        def do(self, body: Any) -> Any:
            return self.model

    model = object()
    graph = new_graph()
    graph.to(Keeps, model=model)
    assert ask(graph.to_mock_server()) is model


# ---- a cell that is run again -------------------------------------------------------------------------------------


def test_a_function_that_is_defined_again_counts_from_the_next_test(new_graph: Any, cells: Cells) -> None:
    cells.run("def f(x):\n    return x + 1")
    graph = new_graph()
    graph.to(name="by_name", handler="f").to(name="by_object", handler=cells["f"])
    server = serve(graph, cells)
    assert server.test(body=1) == 3
    cells.run("def f(x):\n    return x + 10")
    assert server.run(Event(1), get_body=True) == 3
    assert server.test(body=1) == 21
    assert server.run(Event(1), get_body=True) == 21


def test_a_function_may_become_async(new_graph: Any, cells: Cells) -> None:
    cells.run("def f(x):\n    return x + 1")
    graph = new_graph()
    graph.to(name="f", handler="f")
    server = serve(graph, cells)
    assert server.test(body=1) == 2
    cells.run("async def f(x):\n    return x + 10")
    assert server.test(body=1) == 11
    cells.run("def f(x):\n    return x + 100")
    assert server.test(body=1) == 101


@pytest.mark.parametrize("given", ["name", "object"])
def test_a_class_that_is_defined_again_is_constructed_again_and_the_old_object_closed(
    new_graph: Any, cells: Cells, given: str
) -> None:
    cells.run(COUNTER)
    graph = new_graph()
    graph.to("Counter" if given == "name" else cells["Counter"], "one").to("str", "two")
    server = serve(graph, cells)
    server.test(body=1)
    cells.run(COUNTER.replace("[body, self.count]", "self.count"))
    assert server.test(body=1) == "1"
    assert (cells["made"], cells["closed"]) == (["one", "one"], [1])


def test_a_decorated_function_is_followed_by_its_name(new_graph: Any, cells: Cells) -> None:
    source = (
        "import functools\n"
        "def twice(f):\n"
        "    @functools.wraps(f)\n"
        "    def wrapper(*args):\n"
        "        return f(*args) * {by}\n"
        "    return wrapper\n"
        "@twice\n"
        "def g(x):\n"
        "    return x + 1\n"
    )
    cells.run(source.format(by=2))
    graph = new_graph()
    graph.to(cells["g"])
    server = serve(graph, cells)
    assert server.test(body=1) == 4
    cells.run(source.format(by=5))
    assert server.test(body=1) == 10


def test_lambdas_and_closures_are_held_as_objects(new_graph: Any, cells: Cells) -> None:
    cells.run("f = lambda x: x + 1")
    cells.run("def make(by):\n    def add(x):\n        return x + by\n    return add\nadd = make(10)")
    graph = new_graph()
    graph.to(name="f", handler=cells["f"]).to(name="add", handler=cells["add"])
    server = serve(graph, cells)
    assert server.test(body=1) == 12
    cells.run("f = lambda x: 0")
    assert server.test(body=1) == 12
    # the closure stands under its own name, and so is followed
    cells.run("add = make(100)")
    assert server.test(body=1) == 102


def test_only_the_steps_concerned_are_bound_again(new_graph: Any, cells: Cells) -> None:
    cells.run(COUNTER)
    cells.run("def f(x):\n    return x")
    graph = new_graph()
    graph.to("Counter", "one").to(name="f", handler="f").to("Counter", "two", start=5)
    server = serve(graph, cells)
    server.test(body=1)
    kept = graph["one"].async_object, graph["two"].async_object
    cells.run("def f(x):\n    return 'new'")
    assert server.test(body=1) == ["new", 7]
    assert (graph["one"].async_object, graph["two"].async_object) == kept
    assert cells["made"] == ["one", "two"]


def test_what_is_not_concerned_by_a_change_of_the_graph_is_kept(new_graph: Any, cells: Cells) -> None:
    cells.run(COUNTER)
    graph = new_graph()
    graph.to("Counter", "one").to("Counter", "two", start=10)
    server = serve(graph, cells)
    assert server.test(body=1) == [[1, 1], 11]
    graph["two"].to(name="three", handler="(event[1])")
    assert server.test(body=1) == 12
    graph["two"].class_args["start"] = 50
    assert server.test(body=1) == 51
    assert (cells["made"], cells["closed"]) == (["one", "two", "two"], [12])
    del graph["three"]
    del graph["two"]
    assert server.test(body=1) == [1, 4]
    assert cells["closed"] == [12, 51]


def test_arguments_that_are_changed_in_place_count_from_the_next_test(new_graph: Any) -> None:
    class Weighs:
        def __init__(self, weights: dict[str, Any]) -> None:
            self.weights = weights

        def do(self, body: Any) -> Any:
            return self.weights

    graph = new_graph()
    step = graph.to(Weighs, weights={"a": [1, 2]}).to(name="same", handler="(event)").parent["Weighs"]
    server = graph.to_mock_server()
    assert server.test() == {"a": [1, 2]}
    made = step.async_object
    step.class_args["weights"]["a"].append(3)
    assert server.test() == {"a": [1, 2, 3]}
    assert step.async_object is not made
    made = step.async_object
    assert server.test() == {"a": [1, 2, 3]}
    assert step.async_object is made


def test_objects_with_functions_by_expression_are_kept_too(new_graph: Any, cells: Cells) -> None:
    cells.run(
        "class Uses:\n"
        "    def __init__(self, key):\n"
        "        made.append(key)\n"
        "    def do(self, body):\n"
        "        return body\n"
    )
    graph = new_graph()
    graph.to("Uses", _key="(event['x'])")
    server = serve(graph, cells)
    server.test(body=1)
    graph.to(name="more", handler="(event)")
    server.test(body=1)
    assert len(cells["made"]) == 1
    graph["Uses"].class_args["_key"] = "(event['y'])"
    server.test(body=1)
    assert len(cells["made"]) == 2


def test_joins_and_batches_keep_what_they_hold_when_a_step_is_added(new_graph: Any, cells: Cells) -> None:
    graph = new_graph()
    graph.to("Batch", "pairs", max_events=2)
    server = serve(graph, cells)
    assert server.test(body=1) is None
    graph["pairs"].to(name="more", handler="(event)")
    assert server.test(body=2) == [1, 2]


def test_a_queue_keeps_its_entries_when_a_step_is_added(new_graph: Any, cells: Cells) -> None:
    graph = new_graph()
    first = graph.to(name="first", handler="(event)")
    queue = first.to(QueueStep("q"))
    server = serve(graph, cells)
    server.test(body=1)
    first.to(name="beside", handler="(event)")
    server.test(body=2)
    assert queue.async_object.read() == [1, 2]


def test_a_loaded_model_is_not_loaded_again(new_graph: Any, cells: Cells) -> None:
    loaded = []

    class Model(V2ModelServer):
        def load(self) -> None:
            loaded.append(self.name)

        def predict(self, request: dict[str, Any]) -> list[Any]:
            return list(request["inputs"])

    router = new_router()
    router.add_route("a", class_name=Model)
    server = GraphServer(router)
    server.test("a/infer", {"inputs": [1]})
    router.add_route("b", class_name=Model)
    assert server.test("b/infer", {"inputs": [1]})["outputs"] == [1]
    router["b"].class_args["x"] = 1
    server.test("b/infer", {"inputs": [1]})
    del router["b"]
    server.test("a/infer", {"inputs": [1]})
    assert loaded == ["a", "b", "b"]


def test_a_module_that_is_loaded_again_counts(new_graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "loaded_again.py"
    file.write_text("def f(x):\n    return 'old'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("loaded_again")
    graph = new_graph()
    graph.to(name="f", handler="loaded_again.f")
    imported, held = graph.to_mock_server(namespace={}), graph.to_mock_server(namespace={"loaded_again": module})
    assert [imported.test(), held.test()] == ["old", "old"]
    file.write_text("def f(x):\n    return 'brand new'\n")
    importlib.reload(module)
    assert [imported.test(), held.test()] == ["brand new", "brand new"]
    del sys.modules["loaded_again"]


def test_a_name_that_is_deleted_is_missing_and_an_object_that_was_given_stays(new_graph: Any, cells: Cells) -> None:
    cells.run("def f(x):\n    return x + 1\ndef g(x):\n    return x * 2")
    graph = new_graph()
    graph.to(cells["f"]).to(name="g", handler="g")
    server = serve(graph, cells)
    assert server.test(body=1) == 4
    cells.run("del f")
    assert server.test(body=1) == 4
    cells.run("del g")
    with pytest.raises(StepError, match="step 'g': handler: 'g' is not defined"):
        server.test(body=1)
    cells.run("def g(x):\n    return 0")
    assert server.test(body=1) == 0


def test_two_servers_over_one_graph_bind_it_each_for_itself(new_graph: Any, cells: Cells) -> None:
    cells.run(COUNTER)
    graph = new_graph()
    step = graph.to("Counter")
    one, two = serve(graph, cells), serve(graph, cells)
    assert [one.test(body=1), one.test(body=1), two.test(body=1)] == [[1, 1], [1, 2], [1, 1]]
    assert step.context is two.context
    graph.to(name="beside", handler="(event)")
    step.respond()
    assert [one.test(body=1), two.test(body=1)] == [[1, 3], [1, 2]]


def test_an_object_that_cannot_be_closed_is_logged(
    new_graph: Any, cells: Cells, caplog: pytest.LogCaptureFixture
) -> None:
    cells.run(COUNTER.replace("closed.append(self.count)", "raise OSError('busy')"))
    graph = new_graph()
    graph.to("Counter")
    server = serve(graph, cells)
    server.test(body=1)
    cells.run(COUNTER)
    assert server.test(body=1) == [1, 1]
    assert "step 'Counter' could not be closed: OSError: busy" in caplog.text


# ---- what is wrong ------------------------------------------------------------------------------------------------


class Strict:
    def __init__(self, size: int, *, mode: str = "x") -> None:
        self.size = size

    def do(self, body: Any) -> Any:
        return body


class NoMethods:
    def __init__(self, size: int) -> None:
        self.size = size


def problems_of(graph: Any, namespace: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(GraphError) as caught:
        graph.to_mock_server(namespace=namespace if namespace is not None else {}).init_object()
    return list(caught.value.problems)


def test_every_problem_of_names_and_arguments_is_told_at_once(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="typo", handler="clean_txet")
    graph.to("Strikt", "unknown")
    graph.to(Strict, "strict", sise=1)
    graph.to("fractions.Fractoin", "path")
    graph.to("no_such_module.Thing", "module")
    graph.to(name="value", handler="number")
    graph.to("number", "number")
    graph.to("Map", "expression", _fn="(event +)")
    graph.to(Strict, "method", handler="doo", size=1)
    graph.to("*", name="empty")
    namespace = {"clean_text": str, "Strict": Strict, "number": 5}
    assert problems_of(graph, namespace) == [
        "step 'typo': handler: 'clean_txet' is not defined: neither in your namespace nor in graphkit, "
        "did you mean 'clean_text'?",
        "step 'unknown': class_name: 'Strikt' is not defined: neither in your namespace nor in graphkit, "
        "did you mean 'Strict'?",
        "step 'strict': the class 'Strict' takes no argument 'sise', did you mean 'size'?; it takes 'mode', 'size'",
        "step 'strict': the class 'Strict' needs the argument 'size'",
        "step 'path': class_name: 'fractions.Fractoin' is not defined: 'fractions' has no 'Fractoin', "
        "did you mean 'Fraction'?",
        "step 'module': class_name: 'no_such_module.Thing' cannot be imported: there is no module 'no_such_module'",
        "step 'value': handler: 'number' is no function but a value of type int",
        "step 'number': class_name: 'number' is no class but a value of type int",
        "step 'expression': _fn: '(event +)' is not an expression: invalid syntax, at column 9\n  (event +)\n"
        "          ^",
        "step 'method': the class 'Strict' has no method 'doo', did you mean 'do'?; it has 'do'",
        "step 'empty': the router has no routes: add_route(...) or add_model(...)",
    ]


def test_nothing_is_constructed_while_a_name_is_missing(new_graph: Any, cells: Cells) -> None:
    cells.run(COUNTER)
    graph = new_graph()
    graph.to("Counter").to(name="typo", handler="no_such")
    with pytest.raises(StepError):
        serve(graph, cells).test(body=1)
    assert cells["made"] == []


def test_every_constructor_that_fails_is_told_and_the_first_is_chained(new_graph: Any) -> None:
    class Fails:
        def __init__(self, why: str) -> None:
            raise ValueError(why)

        def do(self, body: Any) -> Any:
            return body

    graph = new_graph()
    graph.to(Fails, "one", why="first").to("str", "good").to(Fails, "two", why="second").to(NoMethods, "three", size=1)
    server = graph.to_mock_server(namespace={})
    with pytest.raises(StepError) as caught:
        server.test(body=1)
    assert caught.value.step == "one"
    problems = [
        "step 'one' could not be made: ValueError: first",
        "step 'two' could not be made: ValueError: second",
        "step 'three': the class 'NoMethods' cannot be called with an event: it has neither do_event(event) nor "
        "do(body), and no handler= names a method",
    ]
    assert isinstance(caught.value.__cause__, GraphError)
    assert list(caught.value.__cause__.problems) == problems
    assert isinstance(caught.value.__cause__.__cause__, ValueError)


def test_a_function_takes_no_class_arguments(new_graph: Any) -> None:
    graph = new_graph()
    graph.add_step(name="f", handler=str).class_args["size"] = 1
    assert problems_of(graph) == [
        "step 'f': a function takes no class arguments, found 'size'; "
        "give functools.partial(function, size=...) and a name, or a class with these arguments"
    ]


def test_placeholders_of_a_saved_spec_ask_for_their_object(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="f", handler=lambda x: x).to(Strict, "strict", size=[{"deep": object()}])
    loaded = type(graph).from_dict(graph.to_dict())
    assert problems_of(loaded, {"Strict": Strict}) == [
        "step 'f': handler: '<lambda>' was an object that a saved spec cannot hold; give it to the step again",
        "step 'strict': class_args: 'size' was an object (object) that a saved spec cannot hold; "
        "give it to the step again: class_args['size'] = ...",
    ]
    loaded["f"].handler = str
    loaded["strict"].class_args["size"] = 1
    assert loaded.to_mock_server(namespace={"Strict": Strict}).test(body=1) == "1"


def test_a_result_path_that_nothing_could_follow_is_told(new_graph: Any) -> None:
    graph = new_graph()
    graph.to("FlatMap", "many", _fn="([event])", result_path="x")
    assert "result_path cannot be used with 'FlatMap'" in problems_of(graph)[0]


def test_a_handler_of_an_object_with_methods_of_its_own_making_is_found(new_graph: Any, ask: Any) -> None:
    class Proxy:
        def __init__(self, size: int) -> None:
            self.size = size

        def __getattr__(self, name: str) -> Callable[[Any], Any]:
            if name != "anything":
                raise AttributeError(name)
            return lambda body: (name, body, self.size)

    graph = new_graph()
    graph.to(Proxy, handler="anything", size=3)
    assert ask(graph.to_mock_server(), 1) == ("anything", 1, 3)
    graph["Proxy"].handler = "nothing"
    with pytest.raises(StepError, match="the class 'Proxy' has no method 'nothing'"):
        ask(graph.to_mock_server(), 1)


def test_a_nested_flow_and_a_router_in_it_are_bound_and_kept(new_graph: Any, cells: Cells) -> None:
    cells.run(COUNTER)
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    router = flow.to("*", name="router")
    router.add_route("one", class_name="Counter")
    server = serve(graph, cells)
    assert server.test("/one/infer", {"x": 1}) == [{"x": 1}, 1]
    graph.add_step(name="behind", handler="(event[1])", after="inner")
    assert server.test("/one/infer", {"x": 1}) == 2
    assert graph["inner"]["router"]["one"].async_object.count == 2
    assert cells["made"] == ["one"]


# ---- one step alone -----------------------------------------------------------------------------------------------


def test_a_step_alone_is_bound_privately_and_keeps_its_object(cells: Cells) -> None:
    cells.run(COUNTER)
    graph = new_flow()
    step = graph.to(cells["Counter"], "one")
    assert [step.run(Event(1)).body, step.run(Event(1)).body] == [[1, 1], [1, 2]]
    cells.run(COUNTER.replace("self.count += 1", "self.count += 10"))
    assert step.run(Event(1)).body == [1, 10]
    step.class_args["start"] = 100
    assert step.run(Event(1)).body == [1, 110]


def test_a_step_of_a_bound_graph_runs_with_the_servers_object_as_long_as_it_is_the_same(cells: Cells) -> None:
    cells.run(COUNTER)
    graph = new_flow()
    step = graph.to(cells["Counter"], "one")
    server = serve(graph, cells)
    server.test(body=1)
    assert step.run(Event(1)).body == [1, 2]
    assert server.test(body=1) == [1, 3]
    graph.to(name="beside", handler="(event)")
    assert step.run(Event(1)).body == [1, 4]
    step.class_args["start"] = 100
    assert step.run(Event(1)).body == [1, 101]
