"""Expressions follow re-run cells as functions do: ``run`` after the next ``test``, and state is kept."""

from __future__ import annotations

from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError, new_router


class Sums:
    """A step with a function argument and a state of its own."""

    def __init__(self, fn: Any) -> None:
        self.fn, self.total = fn, 0

    def do(self, body: Any) -> Any:
        self.total += self.fn(body)
        return self.total


def serve(graph: Any, cells: dict[str, Any]) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=cells)
    return server


def test_run_sees_a_re_run_cell_after_the_next_test(new_graph: Any) -> None:
    cells: dict[str, Any] = {}
    exec("def rate(x): return x + 1\nlimit = 10.5", cells)
    graph = new_graph()
    graph.to(name="a", handler="(rate(event) < limit)").to(name="b", handler="([event, limit])")
    server = serve(graph, cells)
    assert server.test(body=9) == [True, 10.5]
    exec("def rate(x): return x * 2\nlimit = 20.5", cells)
    assert server.run(Event(9), get_body=True) == [True, 10.5]
    assert server.test(body=11) == [False, 20.5]
    assert server.run(Event(11), get_body=True) == [False, 20.5]
    server.init()
    assert server.run(Event(11), get_body=True) == [False, 20.5]


def test_init_sees_it_too(new_graph: Any) -> None:
    cells: dict[str, Any] = {"k": 1}
    graph = new_graph()
    graph.to(name="a", handler="(event + k)")
    server = serve(graph, cells)
    assert server.run(Event(1), get_body=True) == 2
    cells["k"] = 10
    assert server.run(Event(1), get_body=True) == 2
    server.init()
    assert server.run(Event(1), get_body=True) == 11


def test_a_step_keeps_its_state_when_only_a_name_in_its_expression_changes(new_graph: Any) -> None:
    cells: dict[str, Any] = {"k": 1}
    graph = new_graph()
    graph.to(Sums, "sums", _fn="(event * k)")
    server = serve(graph, cells)
    assert [server.test(body=1), server.test(body=1)] == [1, 2]
    made = graph["sums"].async_object
    cells["k"] = 100
    assert server.test(body=1) == 102
    assert graph["sums"].async_object is made


def test_a_name_that_is_defined_later_or_deleted_counts_from_the_next_test(new_graph: Any) -> None:
    cells: dict[str, Any] = {"keep": 1}
    graph = new_graph()
    graph.to(name="a", handler="(event + kep)")
    server = serve(graph, cells)
    with pytest.raises(StepError, match="names 'kep', which is not defined, did you mean 'keep'"):
        server.test(body=1)
    cells["kep"] = 5
    assert server.test(body=1) == 6
    del cells["kep"]
    assert server.run(Event(1), get_body=True) == 6
    with pytest.raises(StepError, match="names 'kep', which is not defined"):
        server.test(body=1)


def test_a_loops_own_name_is_not_followed_unless_it_is_taken_from_outside_too(new_graph: Any) -> None:
    cells: dict[str, Any] = {"x": [1, 2], "y": 0}
    graph = new_graph()
    graph.to(name="a", handler="([x * y for x in x for y in event if y])")
    server = serve(graph, cells)
    assert server.test(body=[3, 0]) == [3, 6]
    bound = server._bound
    cells["y"] = 7
    server.test(body=[3])
    assert server._bound is bound
    cells["x"] = [5]
    assert server.test(body=[3]) == [15]


def test_an_expression_in_another_process_follows_too() -> None:
    cells: dict[str, Any] = {}
    exec("def rate(x): return x * 2", cells)
    router = new_router("ParallelRun", executor_type="process")
    router.add_route("a", handler="({'v': rate(event['x'])})")
    server = router.to_mock_server(namespace=cells)
    assert server.test(body={"x": 3}) == {"v": 6}
    exec("def rate(x): return x * 10", cells)
    assert server.test(body={"x": 3}) == {"v": 30}
    server.wait_for_completion()
