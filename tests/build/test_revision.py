"""Every change of a draft raises the root's revision, so that servers notice; looking at it raises nothing."""

import copy

import pytest

import graphkit
from graphkit import FlowStep, TaskStep


def sample():
    graph = graphkit.new_flow()
    first = graph.to("A", x={"y": 1})
    router = first.to("*", name="models", rate=1)
    router.add_route("iris", class_name="M", path="p")
    router.to(">>", "q", path="memory://q", trigger_args={"t": 1}, batch=2)
    inner = first.to(FlowStep("inner"))
    inner.to("Deep")
    first.error_handler("catch", handler="f", before="inner")
    return graph


CHANGES = [
    lambda g: g["A"].class_args.update(x=2),
    lambda g: g["A"].class_args.__setitem__("x", 2),
    lambda g: g["A"].class_args.pop("x"),
    lambda g: g["A"].class_args.popitem(),
    lambda g: g["A"].class_args.clear(),
    lambda g: g["A"].class_args.setdefault("z", 1),
    lambda g: g["A"].class_args.__delitem__("x"),
    lambda g: g["A"].class_args.__ior__({"z": 1}),
    lambda g: setattr(g["A"], "class_args", {"z": 1}),
    lambda g: setattr(g["A"], "class_name", "B"),
    lambda g: setattr(g["A"], "class_name", dict),
    lambda g: setattr(g["A"], "handler", "f"),
    lambda g: setattr(g["A"], "function", "child"),
    lambda g: setattr(g["A"], "full_event", True),
    lambda g: setattr(g["A"], "input_path", "a"),
    lambda g: setattr(g["A"], "result_path", "a"),
    lambda g: setattr(g["A"], "comment", "why"),
    lambda g: setattr(g["A"], "shape", "box"),
    lambda g: setattr(g["A"], "on_error", None),
    lambda g: g["A"].respond(),
    lambda g: g["inner"].after.append("models"),
    lambda g: g["inner"].after.remove("A"),
    lambda g: g["inner"].after.extend(["models"]),
    lambda g: g["inner"].after.insert(0, "models"),
    lambda g: g["inner"].after.clear(),
    lambda g: g["inner"].after.pop(),
    lambda g: g["inner"].after.sort(),
    lambda g: g["inner"].after.reverse(),
    lambda g: g["inner"].after.__setitem__(0, "models"),
    lambda g: g["inner"].after.__delitem__(0),
    lambda g: g["inner"].after.__iadd__(["models"]),
    lambda g: g["inner"].after.__imul__(1),
    lambda g: setattr(g["inner"], "after", ["models"]),
    lambda g: g["inner"].after_step("models"),
    lambda g: g["catch"].before.append("models"),
    lambda g: setattr(g["catch"], "before", "models"),
    lambda g: g["q"].options.update(batch=3),
    lambda g: setattr(g["q"], "options", {"batch": 3}),
    lambda g: g["q"].trigger_args.update(t=3),
    lambda g: setattr(g["q"], "trigger_args", {"t": 2}),
    lambda g: setattr(g["q"], "trigger_args", None),
    lambda g: setattr(g["q"], "path", ""),
    lambda g: setattr(g["q"], "shards", 3),
    lambda g: setattr(g["q"], "retention_in_hours", 3),
    lambda g: g["models"].add_route("wine", class_name="M"),
    lambda g: g["models"].__delitem__("iris"),
    lambda g: g["models"].__setitem__("iris", "N"),
    lambda g: setattr(g["models"], "routes", {}),
    lambda g: g["models"].clear_children(),
    lambda g: g["models"].class_args.update(rate=2),
    lambda g: g["models"]["iris"].class_args.update(path="q"),
    lambda g: g["inner"].to("Deeper"),
    lambda g: g["inner"]["Deep"].class_args.update(x=1),
    lambda g: setattr(g["inner"], "engine", "sync"),
    lambda g: setattr(g["inner"], "final_step", "Deep"),
    lambda g: setattr(g, "engine", "sync"),
    lambda g: setattr(g, "final_step", "A"),
    lambda g: setattr(g, "name", "g"),
    lambda g: setattr(g, "steps", {}),
    lambda g: g.add_step("B", after="A", before="inner"),
    lambda g: g.insert_step("B", TaskStep("B")),
    lambda g: g.set_flow(["B"], force=True),
    lambda g: g.clear_children(),
    lambda g: g.__delitem__("inner"),
    lambda g: g.__setitem__("inner", "B"),
    lambda g: g["A"].error_handler("catch", handler="g"),
    lambda g: g.error_handler("all", handler="g"),
]
LOOKS = [
    lambda g: g.to_dict(),
    lambda g: g.to_yaml(),
    lambda g: g.to_json(),
    lambda g: g.plot(),
    lambda g: g._repr_mimebundle_(),
    lambda g: g == sample(),
    lambda g: repr(g),
    lambda g: copy.deepcopy(g),
    lambda g: list(g),
    lambda g: g["A"].next,
    lambda g: g.path_to_step("models/iris"),
    lambda g: g.list_child_functions(),
    lambda g: dict(g["A"].class_args),
    lambda g: g["A"].after.copy(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_anywhere_raises_the_revision_of_the_root(change):
    graph = sample()
    before = graph._revision
    change(graph)
    assert graph._revision > before


class Counter:
    def __init__(self):
        self.count = 0

    def changed(self):
        self.count += 1


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_anywhere_is_told_to_who_watches_the_root(change):
    graph, counter = sample(), Counter()
    graph.watch.add(counter)
    change(graph)
    assert counter.count >= 1


def test_who_watches_a_nested_flow_or_a_router_is_told_of_what_is_below_it_alone():
    graph, inner, models = sample(), Counter(), Counter()
    graph["inner"].watch.add(inner)
    graph["models"].watch.add(models)
    graph["inner"]["Deep"].class_args["x"] = 1
    assert (inner.count, models.count) == (1, 0)
    graph["models"]["iris"].handler = "f"
    assert (inner.count, models.count) == (1, 1)
    graph["A"].comment = "why"
    assert (inner.count, models.count) == (1, 1)


def test_a_listener_sees_the_new_revision_and_the_new_value():
    graph = sample()
    before = graph._revision

    class Look:
        seen = ()

        def changed(self):
            self.seen = graph._revision, graph["A"].comment

    look = Look()
    graph.watch.add(look)
    graph["A"].comment = "why"
    assert look.seen == (before + 1, "why")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda graph: type(graph).from_dict(graph.to_dict())])
def test_listeners_are_neither_copied_nor_written(copied):
    graph, counter = sample(), Counter()
    written = graph.to_dict()
    graph.watch.add(counter)
    assert graph.to_dict() == written
    new = copied(graph)
    assert not new.watch
    new["A"].comment = "why"
    assert counter.count == 0


@pytest.mark.parametrize("look", LOOKS)
def test_looking_is_not_told(look):
    graph, counter = sample(), Counter()
    graph.watch.add(counter)
    graph["q"].to("End", function="child")
    graph["catch"].before = []
    told = counter.count
    look(graph)
    assert counter.count == told


@pytest.mark.parametrize("look", LOOKS)
def test_looking_changes_neither_the_revision_nor_the_spec(look):
    graph = sample()
    graph["q"].to("End", function="child")
    graph["catch"].before = []
    revision, written = graph._revision, graph.to_dict()
    look(graph)
    assert (graph._revision, graph.to_dict()) == (revision, written)


def test_a_step_that_was_taken_out_tells_its_old_graph_nothing():
    graph = sample()
    step, route = graph["inner"], graph["models"]["iris"]
    del graph["inner"]
    del graph["models"]["iris"]
    revision = graph._revision
    step.to("More")
    route.class_args["x"] = 1
    assert graph._revision == revision


def test_a_replaced_route_tells_its_old_router_nothing():
    graph = sample()
    old = graph["models"]["iris"]
    graph["models"].add_route("iris", class_name="N")
    revision = graph._revision
    old.class_args["x"] = 1
    assert (graph._revision, old.parent) == (revision, None)


def test_the_containers_of_a_step_compare_and_copy_like_plain_ones():
    graph = sample()
    args, after = graph["A"].class_args, graph["inner"].after
    assert (args, after) == ({"x": {"y": 1}}, ["A"])
    assert type(copy.deepcopy(args)) is dict
    assert type(copy.deepcopy(after)) is list
    assert type(args | {"z": 1}) is dict
