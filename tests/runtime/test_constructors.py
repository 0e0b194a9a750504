"""Which arguments constructors take, and which of the runtime's they are offered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import ModelRouter, ParallelRun, V2ModelServer, VotingEnsemble
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.constructors import Constructors
from graphkit.spec.steps import Router, Task


class Own:
    def __init__(self, size: int, mode: str = "x") -> None: ...


class Takes(Own):
    def __init__(self, size: int, name: Any = None, context: Any = None, input_path: Any = None) -> None: ...


class HandsOn(Takes):
    def __init__(self, extra: int = 1, **more: Any) -> None:
        super().__init__(**more)


class Nothing: ...


class ByPosition:
    def __init__(self, size: int, /, *rest: Any) -> None: ...


def step(record: Any = None) -> BoundStep:
    return BoundStep("flow/a", "a", record or Task(name="a"), "the context", "")


MISSING = "the class 'Own' needs the argument 'size'"
UNKNOWN = "the class {!r} takes no argument {!r}{}; it takes {}"


@pytest.mark.parametrize(
    ("cls", "args", "extra", "problems"),
    [
        (Own, {"size": 1}, {}, []),
        (Own, {}, {}, [MISSING]),
        (
            Own,
            {"size": 1, "modus": 2},
            {},
            [UNKNOWN.format("Own", "modus", ", did you mean 'mode'?", "'mode', 'size'")],
        ),
        (Own, {}, {"size": 1}, []),
        (
            Takes,
            {"size": 1, "naem": 1},
            {},
            [UNKNOWN.format("Takes", "naem", ", did you mean 'name'?", "'input_path', 'size'")],
        ),
        (HandsOn, {"anything": 1}, {}, []),
        (Nothing, {}, {}, []),
        (Nothing, {"x": 1}, {}, [UNKNOWN.format("Nothing", "x", "", "none")]),
        (ByPosition, {"size": 1}, {}, [UNKNOWN.format("ByPosition", "size", "", "none")]),
    ],
)
def test_what_is_wrong_with_arguments(cls: type, args: Any, extra: Any, problems: list[str]) -> None:
    assert Constructors().problems(cls, args, extra) == problems


def test_a_class_whose_signature_cannot_be_read_is_left_to_itself() -> None:
    assert Constructors().problems(type, {"anything": 1}, {}) == []
    assert Constructors().offered(step(), type, {}) == {}


@pytest.mark.parametrize(
    ("cls", "offered"),
    [
        (Own, []),
        (Nothing, []),
        (Takes, ["context", "name"]),
        (HandsOn, ["context", "graph_step", "name"]),
        (V2ModelServer, ["context", "graph_step", "name"]),
    ],
)
def test_a_class_is_offered_what_it_accepts(cls: type, offered: list[str]) -> None:
    given = Constructors().offered(step(), cls, {})
    assert sorted(given) == offered
    assert {"name": "a", "context": "the context"}.items() >= {
        key: value for key, value in given.items() if key != "graph_step"
    }.items()


def test_a_router_is_offered_its_routes() -> None:
    routes = {"x": SimpleNamespace()}
    given = Constructors().offered(step(Router(name="a")), ModelRouter, routes)
    assert given["routes"] is routes


@pytest.mark.parametrize(("cls", "takes"), [(Own, False), (Takes, True), (HandsOn, True), (Nothing, False)])
def test_paths_are_offered_to_a_class_that_takes_them_itself_or_hands_them_on(cls: type, takes: bool) -> None:
    given = Constructors().offered(step(Task(name="a", input_path="x", result_path="y")), cls, {})
    assert ("input_path" in given, "result_path" in given) == (takes, False)


def test_a_class_that_is_defined_again_under_the_same_name_is_another() -> None:
    known = Constructors()
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    exec("class A:\n    def __init__(self, a): ...", first)
    exec("class A:\n    def __init__(self, b): ...", second)
    assert known.problems(first["A"], {"a": 1}, {}) == []
    assert known.problems(second["A"], {"b": 1}, {}) == []


# ---- classes of our own, which take any keyword --------------------------------------------------------------------


class OwnModel(V2ModelServer):
    """A model with the inherited constructor."""


class Threshold(V2ModelServer):
    def __init__(self, *args: Any, threshold: float = 0.5, **class_args: Any) -> None:
        super().__init__(*args, **class_args)


class OwnRouter(ModelRouter):
    """A router that may read keywords of its own."""


@pytest.mark.parametrize(
    ("cls", "name", "nearest"),
    [
        (VotingEnsemble, "wieghts", "weights"),
        (VotingEnsemble, "vote_typ", "vote_type"),
        (VotingEnsemble, "alow_partial", "allow_partial"),
        (ParallelRun, "executor_typ", "executor_type"),
        (ModelRouter, "url_prefx", "url_prefix"),
        (OwnRouter, "url_prefx", "url_prefix"),
        (OwnModel, "model_pth", "model_path"),
        (OwnModel, "modelpath", "model_path"),
        (V2ModelServer, "protocl", "protocol"),
        (Threshold, "treshold", "threshold"),
        (Threshold, "model_ptah", "model_path"),
    ],
)
def test_a_misspelt_keyword_is_told_where_any_is_taken(cls: type, name: str, nearest: str) -> None:
    (problem,) = Constructors().problems(cls, {name: 1}, {})
    assert f"the class {cls.__name__!r}" in problem
    assert f"argument {name!r}, did you mean {nearest!r}?" in problem


@pytest.mark.parametrize("cls", [ModelRouter, ParallelRun, VotingEnsemble])
def test_what_a_router_of_ours_does_not_know_is_wrong(cls: type) -> None:
    (problem,) = Constructors().problems(cls, {"colour": 1}, {})
    assert f"the class {cls.__name__!r} takes no argument 'colour'; it takes 'allow" in problem


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (ModelRouter, ["protocol", "url_prefix", "health_prefix", "input_path", "result_path", "allowed_data_urls"]),
        (ParallelRun, ["extend_event", "executor_type", "protocol", "allowed_data_urls"]),
        (VotingEnsemble, ["vote_type", "weights", "executor_type", "prediction_col_name", "allow_partial", "name"]),
        (V2ModelServer, ["model_path", "model", "models", "mode", "model_dir", "model_paths", "rate", "inputs"]),
        (Threshold, ["threshold", "model_path", "thresholds", "my_param"]),
        (OwnRouter, ["colour", "prefix", "weights"]),
    ],
)
def test_parameters_and_keywords_of_the_users_own_are_taken(cls: type, names: list[str]) -> None:
    assert Constructors().problems(cls, dict.fromkeys(names, 1), {}) == []


def test_a_place_that_is_given_as_an_argument_is_told_where_it_belongs() -> None:
    (problem,) = Constructors().problems(ModelRouter, {"after": "x"}, {})
    assert "takes no argument 'after' (add_step(after=...) of the flow does)" in problem
