"""What users mistype or mix up is refused where it stands, with what was meant."""

from __future__ import annotations

from typing import Any

import pytest

import graphkit
from graphkit.core.errors import BadRequest, GraphError, SpecError, StepError


def add_one(body: Any) -> Any:
    return body + 1


def fail(body: Any) -> Any:
    raise ValueError("no")


class NoEntry:
    def run(self, body: Any) -> Any:
        return body


class Doubling:
    def __init__(self, body: int) -> None:
        self.value = 2 * body


def refused(graph: Any, body: Any = 1) -> str:
    with pytest.raises(StepError) as caught:
        graph.to_mock_server(namespace=globals()).test(body=body)
    return str(caught.value)


@pytest.mark.parametrize(
    "start", [graphkit.new_flow, lambda engine: graphkit.GraphServer().set_topology("flow", engine=engine)]
)
def test_a_misspelt_engine_is_refused_at_the_call(start: Any) -> None:
    with pytest.raises(GraphError, match=r"the engine 'asnc' is not known.*did you mean 'async'"):
        start(engine="asnc")


def test_a_misspelt_keyword_beside_a_function_is_refused_at_the_call() -> None:
    graph = graphkit.new_flow()
    wanted = "step 'add_one': a function takes no class arguments, found 'resut_path', did you mean 'result_path'?"
    for call in (
        lambda: graph.to(add_one, resut_path="x"),
        lambda: graph.add_step(add_one, resut_path="x"),
        lambda: graph.error_handler(handler="add_one", resut_path="x"),
    ):
        with pytest.raises(GraphError) as caught:
            call()
        assert str(caught.value) == wanted
    assert list(graph) == []


def test_a_misspelt_keyword_beside_the_name_of_a_function_is_found_when_the_name_is_known() -> None:
    graph = graphkit.new_flow()
    graph.to("add_one", resut_path="x")
    assert "found 'resut_path', did you mean 'result_path'?" in refused(graph)


def test_a_misspelt_keyword_beside_a_class_is_told_from_its_arguments() -> None:
    graph = graphkit.new_flow()
    graph.to(NoEntry, handler="run", input_pth="x")
    assert "takes no argument 'input_pth', did you mean 'input_path'?" in refused(graph)


def test_an_unknown_function_names_those_that_there_are() -> None:
    graph = graphkit.new_flow()
    step = graph.to(add_one)
    with pytest.raises(StepError, match="no step of the graph names a function at all"):
        graph.to_mock_server(current_function="chld").test(body=1)
    step.to(">>", "q", path="memory://jobs").to(add_one, "b", function="child")
    with pytest.raises(StepError, match="no step runs in the function 'chld'; there is 'child', did you mean 'child'"):
        graph.to_mock_server(current_function="chld").test(body=1)


def test_a_function_behind_a_queue_is_called_by_its_name_in_the_message() -> None:
    queue = graphkit.new_flow().to(add_one).to(">>", "q")
    with pytest.raises(GraphError, match=r"^step 'add_one' follows the queue 'q'"):
        queue.to(add_one)
    with pytest.raises(GraphError, match=r"^step '<lambda>' follows the queue 'q'"):
        queue.to(lambda body: body)


@pytest.mark.parametrize("field", ["handler", "class_name"])
def test_an_expression_without_brackets_is_told_how_to_be_written(field: str) -> None:
    graph = graphkit.new_flow()
    graph.to(name="a", **{field: "event+1"})
    assert "'event+1' is no name; an expression stands in round brackets: \"(event+1)\"" in refused(graph)


def test_a_class_that_nothing_can_call_says_what_was_looked_for() -> None:
    graph = graphkit.new_flow()
    graph.to(NoEntry)
    message = refused(graph)
    assert "the class 'NoEntry' has neither do_event(event) nor do(body)" in message
    assert "(there is 'run')" in message


def test_a_class_that_takes_a_body_is_still_called_with_it() -> None:
    graph = graphkit.new_flow()
    graph.to(Doubling).to(name="value", handler="(event.value)")
    assert graph.to_mock_server(namespace=globals()).test(body=4) == 8


def test_a_flow_that_is_asked_to_respond_points_at_its_steps() -> None:
    graph = graphkit.new_flow()
    graph.to(add_one)
    with pytest.raises(GraphError, match=r"mark that step, such as graph\['add_one'\]\.respond\(\)"):
        graph.respond()
    with pytest.raises(GraphError, match="mark that step; without one"):
        graphkit.new_flow().respond()


def test_a_step_alone_runs_on_events_only() -> None:
    step = graphkit.new_flow().to(add_one)
    with pytest.raises(BadRequest, match=r"such as graphkit.Event\(body\); found a value of type int"):
        step.run(5)


def test_a_router_at_the_root_is_not_called_by_an_empty_name() -> None:
    router = graphkit.new_router("VotingEnsemble", vote_type="clasification")
    router.add_route("a", handler="(event)")
    with pytest.raises(StepError) as caught:
        graphkit.GraphServer(router).test("/infer", {"inputs": [1]})
    assert str(caught.value).startswith("ensemble 'VotingEnsemble': vote_type is")


def test_a_saved_graph_is_told_from_a_server(tmp_path: Any) -> None:
    graph = graphkit.new_flow()
    graph.to(name="a", handler="(event)")
    graph.save(tmp_path / "graph.yaml")
    with pytest.raises(SpecError) as caught:
        graphkit.GraphServer.load(tmp_path / "graph.yaml")
    assert "graph.yaml': this is a graph, not a server: graphkit.RootFlowStep.load(path)" in str(caught.value)
    with pytest.raises(SpecError, match=r"graphkit\.RouterStep\.load"):
        graphkit.GraphServer.from_dict({"routes": {}})


@pytest.mark.parametrize("path", ["memry://jobs", "jobs"])
def test_the_address_of_a_queue_is_checked_also_where_the_mock_server_needs_none(path: str) -> None:
    graph = graphkit.new_flow()
    graph.to(add_one).to(">>", "q", path=path).to(add_one, "b", function="child")
    message = refused(graph)
    assert "step 'q'" in message
    assert "memory://" in message


@pytest.mark.parametrize("path", ["", "memory://jobs", "file:///no/such/folder/jobs.db"])
def test_the_options_of_a_queue_are_checked_also_where_the_mock_server_needs_none(path: str) -> None:
    graph = graphkit.new_flow()
    graph.to(add_one).to(">>", "a queue?", path=path, shard=3).to(add_one, "b", function="child")
    message = refused(graph)
    assert "step 'a queue?'" in message
    assert "has no option 'shard', did you mean 'shards'?" in message
    graph["a queue?"].options = {}
    assert graph.to_mock_server().test(body=1) == 3


def test_the_address_of_a_queue_in_another_system_is_none_of_the_mock_servers_business() -> None:
    graph = graphkit.new_flow()
    graph.to(add_one).to(">>", "q", path="v3io:///projects/jobs").to(add_one, "b", function="child").respond()
    assert graph.to_mock_server().test(body=1) == 3


def test_a_failure_in_a_child_function_says_so() -> None:
    graph = graphkit.new_flow()
    graph.to(add_one).to(">>", "q").to(fail, function="child")
    assert refused(graph) == "step 'fail' (in function 'child') failed: ValueError: no"


def test_a_tests_body_is_not_changed_by_being_sent() -> None:
    def change(body: Any) -> Any:
        body["rows"].append(2)
        return body

    graph = graphkit.new_flow()
    graph.to(change)
    body = {"rows": [1]}
    server = graph.to_mock_server()
    assert [server.test(body=body), server.test(body=body)] == [{"rows": [1, 2]}] * 2
    assert body == {"rows": [1]}
    odd = (number for number in [1])
    assert graphkit.GraphServer(passing()).test(body=odd) is odd


def passing() -> Any:
    graph = graphkit.new_flow()
    graph.to(name="same", handler=lambda body: body)
    return graph


def test_inputs_given_as_an_array_are_told_how_to_become_a_list() -> None:
    import numpy as np

    class Model(graphkit.V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    server = graphkit.create_graph_server()
    server.add_model("m", class_name=Model)
    with pytest.raises(BadRequest, match=r"a value of type ndarray; give it as a list: \.tolist\(\)"):
        server.test("m/infer", {"inputs": np.array([1])})


def test_completion_shows_public_names_only() -> None:
    assert dir(graphkit) == sorted(graphkit.__all__)


class Predictor:
    def predict(self, body: Any) -> Any:
        return body


def test_a_misspelt_handler_is_told_where_nothing_says_what_a_step_does() -> None:
    with pytest.raises(GraphError) as caught:
        graphkit.new_flow().to(name="x", hander="aa")
    assert str(caught.value) == "a step needs class_name or handler, found 'hander', did you mean 'handler'?"


def test_arguments_beside_a_function_are_told_how_to_be_given() -> None:
    graph = graphkit.new_flow()
    with pytest.raises(GraphError, match=r"found 'k'; give functools\.partial\(function, k=\.\.\.\) and a name, or a"):
        graph.to(add_one, k=5)
    assert list(graph) == []


def test_an_object_as_a_step_is_told_to_give_its_method() -> None:
    graph = graphkit.new_flow()
    with pytest.raises(GraphError, match=r"found Predictor object; give its method: Predictor\(\.\.\.\)\.predict$"):
        graph.to(Predictor())
    with pytest.raises(GraphError, match=r"found int$"):
        graph.to(3)
    graph.to(Predictor().predict).respond()
    assert graph.to_mock_server().test(body=1) == 1


def caught_by(body: Any) -> Any:
    return "caught"


@pytest.mark.parametrize(("given", "name"), [((caught_by,), "caught_by"), ((caught_by, "rescue"), "rescue")])
def test_an_error_handler_may_be_given_as_the_function_alone(given: Any, name: str) -> None:
    graph = graphkit.new_flow()
    graph.to(fail).respond()
    graph.error_handler(*given)
    assert graph.on_error == name
    assert graph.to_mock_server(namespace=globals()).test(body=1) == "caught"


def test_a_step_that_is_taken_for_its_graph_says_who_has_what_it_lacks() -> None:
    step = graphkit.new_flow().to(add_one)
    for name in ("to_mock_server", "plot", "add_step"):
        with pytest.raises(AttributeError, match=rf"the graph that the step stands in has it: .*, graph\.{name}$"):
            getattr(step, name)
    for handle in (step, graphkit.new_flow(), graphkit.new_router()):
        with pytest.raises(AttributeError, match=r"a server has it: .*to_mock_server\(\), then server\.test$"):
            handle.test(body=1)
    with pytest.raises(AttributeError, match=r"has no attribute 'colour'$"):
        _ = step.colour


def test_a_misspelt_name_of_the_package_is_refused_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'V2ModelSever', did you mean 'V2ModelServer'\?"):
        _ = graphkit.V2ModelSever
    with pytest.raises(
        AttributeError, match=r"graph\.to\('Map', \.\.\.\), or from graphkit\.steps\.functions import Map"
    ):
        _ = graphkit.Map


def test_a_choice_that_is_to_be_overridden_is_had_from_the_package() -> None:
    class BySize(graphkit.Choice):
        def select_outlets(self, body: Any) -> str:
            return "large" if body > 10 else "small"

    graph = graphkit.new_flow()
    size = graph.to(BySize, name="size")
    size.to(name="large", handler="('large')")
    size.to(name="small", handler="('small')")
    graph.add_step(name="answer", handler="(event)", after=["large", "small"]).respond()
    assert graph.to_mock_server().test(body=50) == "large"
