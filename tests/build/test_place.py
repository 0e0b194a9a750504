"""Where a step goes, and what happens when a cell runs again."""

import pytest

import graphkit
from graphkit import FlowStep, GraphError, QueueStep, RouterStep, TaskStep


def build(*cells):
    graph = graphkit.new_flow()
    for cell in cells:
        cell(graph)
    return graph


def chain(graph):
    graph.to("A").to("B").to("C").respond()


def branches(graph):
    source = graph.to("A")
    source.to("Left")
    source.to("Right")
    graph.add_step("Join", after=["Left", "Right"])


def handled(graph):
    graph.to("A").error_handler("catch", handler="f", before="B").to("B").error_handler("late", handler="f")
    graph.error_handler("all", handler="f")


def routed(graph):
    router = graph.to("A").to("*", name="models")
    router.add_route("a", class_name="M", model_path="x")
    router.add_route("b", {"class_name": "M"})
    router.add_route("c", RouterStep("R", routes={"d": TaskStep("M")}))


def nested(graph):
    inner = graph.to(FlowStep("inner"))
    inner.to("A").to("B")
    graph.add_step("C", after="inner")


def queued(graph):
    graph.to("A").to(">>", "q", path="memory://x").to("B", function="child")


def previous(graph):
    graph.add_step("A")
    graph.add_step("B", after="$prev")
    graph.add_step("C", after="$prev")


def between(graph):
    graph.to("A").to("C")
    graph.add_step("B", after="A", before="C")
    graph.add_step("First", before="A")


def inserted(graph):
    graph.to("A").to("C")
    graph.insert_step("B", TaskStep("Clean"), after="A", before="C")


def lined(graph):
    graph.set_flow(["A", {"name": "B", "handler": "f"}, {"kind": "task", "class_name": "C"}], force=True)


def by_key(graph):
    graph.to("A").to("B").to("C")
    graph["B"] = TaskStep("Better")
    graph["D"] = "D"


CELLS = [chain, branches, handled, routed, nested, queued, previous, between, inserted, lined, by_key]


@pytest.mark.parametrize("cell", CELLS)
def test_running_a_cell_again_leaves_the_spec_equal(cell):
    once, twice = build(cell), build(cell, cell)
    assert twice.to_dict() == once.to_dict()
    assert list(twice) == list(once)
    twice._check()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in (between, inserted)])
def test_a_loaded_graph_takes_its_own_cell_again(cell):
    once = build(cell)
    loaded = graphkit.RootFlowStep.from_dict(once.to_dict())
    cell(loaded)
    assert loaded.to_dict() == once.to_dict()


@pytest.mark.parametrize("cell", [between, inserted])
def test_a_loaded_graph_does_not_know_what_was_put_between_later(cell):
    loaded = graphkit.RootFlowStep.from_dict(build(cell).to_dict())
    with pytest.raises(GraphError, match="is taken"):
        cell(loaded)


@pytest.mark.parametrize("again", [0, 1, 2])
def test_each_of_several_cells_can_run_again_alone(again):
    cells = [
        lambda graph: graph.add_step("A"),
        lambda graph: graph.add_step("B", after="$prev"),
        lambda graph: graph.add_step("C", after="$prev"),
    ]
    graph = build(*cells)
    before = graph.to_dict()
    cells[again](graph)
    assert graph.to_dict() == before


def test_a_step_added_with_prev_after_an_earlier_one_ran_again_follows_that_one():
    graph = build(previous)
    graph.add_step("A")
    assert graph.add_step("D", after="$prev").after == ["A"]


def test_moving_a_step_by_prev_is_no_repetition():
    graph = build(previous)
    graph.add_step("A")
    with pytest.raises(GraphError, match=r"the step name 'C' is taken: one stands after 'B', .* stand after 'A'"):
        graph.add_step("C", after="$prev")


def test_prev_in_an_empty_flow_is_the_start():
    assert graphkit.new_flow().add_step("A", after="$prev").after == []


def test_prev_is_never_written():
    assert "$prev" not in str(build(previous).to_dict())


def test_a_replaced_step_keeps_its_followers_place_and_error_handler():
    graph = build(handled)
    graph["A"].to("Other")
    new = graph.to("A", x=1)
    assert list(graph) == ["A", "catch", "B", "late", "all", "Other"]
    assert graph["A"] is new
    assert new.next == ["B", "Other"]
    assert (new.on_error, new.class_args) == ("catch", {"x": 1})


def test_a_replaced_step_has_what_its_cell_says_now():
    graph = build(chain)
    graph["B"].to("C", x=1)
    assert graph["C"].responder is None
    graph["A"].to("B", full_event=True)
    assert graph["B"].to_dict() == {
        "kind": "task",
        "name": "B",
        "after": ["A"],
        "class_name": "B",
        "full_event": True,
    }


def test_the_handle_of_a_replaced_step_has_left_the_graph():
    graph = build(chain)
    old = graph["B"]
    graph["A"].to("B")
    assert old.parent is None
    revision = graph._revision
    old.class_args["x"] = 1
    assert graph._revision == revision


def test_a_replaced_router_keeps_its_routes():
    graph = build(routed)
    new = graph["A"].to("*Other", name="models")
    assert (new.class_name, list(new)) == ("Other", ["a", "b", "c"])
    assert new["a"].parent is new
    assert new["a"].fullname == "models/a"


def test_a_replaced_router_with_routes_of_its_own_has_just_these():
    graph = build(routed)
    assert list(graph["A"].to("*", name="models", routes={"z": "M"})) == ["z"]


def test_a_replaced_nested_flow_keeps_its_steps():
    graph = build(nested)
    new = graph.to(FlowStep("inner"))
    assert list(new) == ["A", "B"]
    assert new["A"].fullname == "inner/A"


def test_a_step_object_added_again_stays_the_same_object():
    graph, step = graphkit.new_flow(), TaskStep("A")
    for _ in range(3):
        assert graph.to(step) is step
        step.respond()
    assert graph["A"] is step
    assert graph["A"].responder is True


def test_a_route_object_added_again_stays_the_same_object():
    router, route = graphkit.new_router(), TaskStep("A")
    for _ in range(3):
        assert router.add_route("a", route) is route


def test_a_step_that_was_joined_to_another_branch_since_can_be_added_again():
    graph = build(branches)
    graph.add_step("Late")
    graph["Late"].after_step("Join")
    graph.add_step("Late", x=1)
    assert (graph["Late"].after, graph["Late"].class_args) == (["Join"], {"x": 1})


def test_a_step_in_front_of_which_another_was_put_since_can_be_added_again():
    graph = build(chain)
    graph.add_step("Between", after="A", before="B")
    graph["A"].to("B", x=1)
    assert (graph["B"].after, graph["B"].class_args) == (["Between"], {"x": 1})


def test_a_branch_joined_behind_an_inserted_step_stays_joined_when_the_insertion_runs_again():
    graph = build(between)
    graph.to("Side")
    graph["C"].after_step("Side")
    graph.add_step("B", after="A", before="C")
    assert (graph["B"].after, graph["C"].after) == (["A"], ["B", "Side"])


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda graph: graph.to("B"), "'B' is taken: one stands after 'A', this one would stand at the start"),
        (lambda graph: graph["C"].to("B"), "'B' is taken: one stands after 'A', this one would stand after 'C'"),
        (lambda graph: graph["B"].to("A"), "'A' is taken: one stands at the start, this one would stand after 'B'"),
        (lambda graph: graph["A"].to("A"), "'A' is taken: one stands at the start, this one would stand after 'A'"),
        (lambda graph: graph.add_step("B", after="C"), "'B' is taken: one stands after 'A', .* after 'C'"),
        (lambda graph: graph["C"].to(graph["B"]), "'B' is taken: one stands after 'A', .* after 'C'"),
        (lambda graph: graph.insert_step("B", TaskStep("X")), "'B' is taken: one stands after 'A', .* at the start"),
    ],
)
def test_the_same_name_elsewhere_is_an_error_that_names_both_places(add, message):
    graph = build(chain)
    before = graph.to_dict()
    with pytest.raises(GraphError, match=message):
        add(graph)
    assert graph.to_dict() == before


def test_the_second_of_two_branches_cannot_take_the_name_of_the_first_ones_follower():
    graph = build(branches)
    graph["Left"].to("Same")
    with pytest.raises(GraphError, match=r"one stands after 'Left', .* after 'Right'; .* after_step\(\)"):
        graph["Right"].to("Same")


def test_names_of_nested_flows_are_their_own():
    graph = build(nested)
    assert graph.to("A").fullname == "A"
    assert graph["inner"]["A"].fullname == "inner/A"


def test_a_steps_name_is_not_free_for_an_error_handler():
    graph = build(chain)
    with pytest.raises(GraphError, match=r"'B' is taken: one stands after 'A', .* the error handler of 'C'"):
        graph["C"].error_handler("B", handler="f")
    assert graph["C"].on_error is None


def test_an_error_handlers_name_is_not_free_for_a_step():
    graph = build(handled)
    with pytest.raises(GraphError, match=r"'catch' is taken: one stands as the error handler of 'A', .* after 'B'"):
        graph["B"].to("catch")


def test_an_error_handler_for_a_second_step_can_be_shared_on_purpose():
    graph = build(handled)
    with pytest.raises(GraphError, match=r"one stands as the error handler of 'A', .* of 'B'; .*on_error = 'catch'"):
        graph["B"].error_handler("catch", handler="f")
    last = graph["B"].to("C")
    last.on_error = "catch"
    graph["catch"].before = []
    graph._check()


def test_an_error_handler_given_again_is_replaced():
    graph = build(handled)
    graph["A"].error_handler("catch", handler="better", before=["B"])
    assert (graph["catch"].handler, list(graph)[1]) == ("better", "catch")


def test_add_step_stands_between_what_is_named():
    graph = build(between)
    assert {name: step.after for name, step in graph.steps.items()} == {
        "A": ["First"],
        "C": ["B"],
        "B": ["A"],
        "First": [],
    }


def test_add_step_before_takes_over_all_that_led_there():
    graph = build(branches)
    step = graph.add_step("Sort", before="Join")
    assert (step.after, graph["Join"].after) == (["Left", "Right"], ["Sort"])


def test_add_step_before_several_steps():
    graph = build(branches)
    step = graph.add_step("Split", after="A", before=["Left", "Right"])
    assert (step.after, graph["Left"].after, graph["Right"].after) == (["A"], ["Split"], ["Split"])


def test_add_step_takes_step_objects_for_after_and_before():
    graph = build(chain)
    step = graph.add_step("X", after=graph["A"], before=graph["B"])
    assert (step.after, graph["B"].after) == (["A"], ["X"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"after": "D"}, "step 'X' cannot stand after 'D': there is no such step; there is 'A', 'B', 'C'"),
        ({"after": "a"}, r"did you mean 'A'\?"),
        ({"before": "D"}, "step 'X' cannot stand before 'D': there is no such step; there is 'A', 'B', 'C'"),
        ({"after": "A", "before": "A"}, "both after and before 'A': that is a loop"),
        ({"before": "X"}, "no such step"),
        ({"after": 5}, "by name or as step objects"),
    ],
)
def test_a_place_that_does_not_exist_is_refused_and_nothing_changes(kwargs, message):
    graph = build(chain)
    before = graph.to_dict()
    with pytest.raises(GraphError, match=message):
        graph.add_step("X", **kwargs)
    assert graph.to_dict() == before


def test_a_step_cannot_stand_before_itself():
    graph = build(chain)
    with pytest.raises(GraphError, match="that is a loop"):
        graph.add_step("A", before="A")


def test_a_step_of_another_graph_is_copied_by_insert_step():
    graph, other = build(chain), build(chain)
    step = graph.insert_step("X", other["B"], after="A")
    assert step is not other["B"]
    assert (step.name, step.after, other["B"].after) == ("X", ["A"], ["A"])


def test_the_graphs_own_handler_does_not_let_the_flow_go_on():
    with pytest.raises(GraphError, match=r"ends it: before= may only be given for a single step"):
        build(chain).error_handler("all", handler="f", before="B")


def test_error_handler_returns_the_step_that_it_was_called_on():
    graph = build(chain)
    assert graph["A"].error_handler("one", handler="f") is graph["A"]
    assert graph.error_handler("all", handler="f") is graph
    assert (graph["A"].on_error, graph.on_error, graph["one"].kind) == ("one", "all", "error_step")


def test_an_error_handler_is_named_after_its_function():
    graph = build(chain)
    graph["A"].error_handler(handler="package.catch")
    assert graph["A"].on_error == "catch"


def test_a_nested_flows_handler_stands_beside_it():
    graph = build(nested)
    graph["inner"].error_handler("catch", handler="f")
    assert "catch" in graph
    assert "catch" not in graph["inner"]


@pytest.mark.parametrize("owner", [TaskStep(name="a"), QueueStep("q"), graphkit.new_router()])
def test_a_step_in_no_flow_has_no_error_handler(owner):
    with pytest.raises(GraphError, match="is in no flow, so that it cannot have an error handler"):
        owner.error_handler("catch", handler="f")
