from __future__ import annotations

import inspect
import json

import pytest

import graphkit
from graphkit.core.describe import Described, class_path
from graphkit.core.errors import GraphError


class Base(Described):
    def __init__(self, context=None, name=None, size=1, **more):
        self.size = size


class Child(Base):
    """No constructor of its own."""


class OtherWords(Base):
    def __init__(self, factor, **more):
        super().__init__(size=factor * 2, **more)


class Listing(Described):
    def __init__(self, *items):
        self.items = items


def test_arguments_are_described_as_given_by_position_or_name_and_without_defaults():
    assert Base(None, "x", 3).to_dict()["class_args"] == {"size": 3}
    assert Child(size=3, extra={"a": 1}).to_dict()["class_args"] == {"size": 3, "extra": {"a": 1}}
    assert Base().to_dict()["class_args"] == {}


def test_the_arguments_of_a_subclass_count_not_what_it_hands_on():
    assert OtherWords(4, label="l").to_dict()["class_args"] == {"factor": 4, "label": "l"}


def test_what_the_runtime_gives_is_left_out():
    described = Child(context=object(), name="n", routes={}, graph_step=object(), size=2).to_dict()
    assert described["class_args"] == {"size": 2}
    assert described["name"] == "n"


def test_the_name_falls_back_to_the_class():
    assert Child().to_dict()["name"] == "Child"


def test_fields_and_exclude_choose_arguments():
    child = Child(size=2, a=1, b=2)
    assert child.to_dict(exclude=["a"])["class_args"] == {"size": 2, "b": 2}
    assert child.to_dict(fields=["a"])["class_args"] == {"a": 1}


def test_unnamed_positional_arguments_cannot_be_described():
    with pytest.raises(GraphError, match=r"class Listing takes \*items"):
        Listing(1, 2).to_dict()


def test_classes_are_named_as_a_graph_finds_them():
    assert class_path(json.JSONDecoder) == "json.decoder.JSONDecoder"
    assert class_path(type("FromACell", (), {"__module__": "__main__"})) == "FromACell"


@pytest.mark.parametrize("name", ["V2ModelServer", "ModelRouter", "ParallelRun", "VotingEnsemble"])
def test_public_classes_are_named_by_their_public_path(name):
    path = class_path(getattr(graphkit, name))
    assert path == f"graphkit.{name}"


def test_tools_see_the_signature_of_init():
    # Python 3.10 would show that of __new__
    assert list(inspect.signature(Child).parameters) == ["context", "name", "size", "more"]
    assert list(inspect.signature(OtherWords).parameters) == ["factor", "more"]
    with pytest.raises(TypeError):
        inspect.signature(Child())


def test_routers_and_models_are_described_by_kind():
    ensemble = graphkit.VotingEnsemble(vote_type="regression", weights={"a": 1}, allow_partial=True)
    assert ensemble.to_dict() == {
        "kind": "router",
        "class_name": "graphkit.VotingEnsemble",
        "class_args": {"vote_type": "regression", "weights": {"a": 1}, "allow_partial": True},
        "name": "VotingEnsemble",
    }
    model = graphkit.V2ModelServer(name="m", model_path="x.pkl", result_path="out", rate=2)
    assert model.to_dict() == {
        "kind": "task",
        "class_name": "graphkit.V2ModelServer",
        "class_args": {"model_path": "x.pkl", "result_path": "out", "rate": 2},
        "name": "m",
    }
