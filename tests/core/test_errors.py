"""The tree of errors: as it is drawn, with its statuses and messages."""

import pickle
import re

import pytest

import graphkit
from graphkit.core import errors
from graphkit.core.errors import GraphError, GraphkitError, MissingExtra, SpecError, StepError, choices, nearest, told

CLASSES = {
    name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, GraphkitError)
}


def drawn():
    """Return the tree as the module's docstring draws it: ``{name: (parent, builtin, status)}``."""
    found, above = {}, {}
    for line in errors.__doc__.splitlines():
        match = re.fullmatch(r"    ([│├└─ ]*)(\w+) +(?:\((\w+)\) +)?(\d{3})\b.*", line)
        if match:
            depth = len(match[1]) // 4
            above[depth] = match[2]
            found[match[2]] = (above.get(depth - 1), match[3], int(match[4]))
    return found


def test_the_drawn_tree_is_the_tree():
    real = {}
    for name, cls in CLASSES.items():
        parent = None if cls is GraphkitError else cls.__bases__[0].__name__
        builtin = next((base.__name__ for base in cls.__bases__[1:]), None)
        real[name] = (parent, builtin, cls.status)
    assert real == drawn()


@pytest.mark.parametrize("name", ["GraphkitError", "GraphError", "SpecError", "StepError", "ModelNotFound"])
def test_errors_are_importable_from_the_front_door(name):
    assert getattr(graphkit, name) is CLASSES[name]


@pytest.mark.parametrize("cls", [cls for cls in CLASSES.values() if cls is not MissingExtra])
def test_every_error_takes_a_message_a_step_and_a_status(cls):
    error = cls("it's broken", step="a/b", status=418)
    assert (str(error), error.message, error.step, error.status) == ("it's broken", "it's broken", "a/b", 418)
    assert (cls("x").step, cls("x").status) == (None, cls.status)
    assert (str(cls()), cls().message) == ("", "")


@pytest.mark.parametrize("cls", CLASSES.values())
def test_every_error_survives_a_process_boundary(cls):
    if cls is MissingExtra:
        error = cls("drawing", "package", "extra")
    elif issubclass(cls, GraphError):
        error = cls(problems=["one", "two"], step="a", status=418)
    else:
        error = cls("text", step="a", status=418)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert (str(again), again.step, again.status) == (str(error), error.step, error.status)
    assert getattr(again, "problems", None) == getattr(error, "problems", None)


def test_one_problem_is_the_message_and_several_are_listed():
    assert str(GraphError(problems=["one"])) == "one"
    assert str(SpecError(problems=["one", "two"])) == "2 problems:\n  - one\n  - two"
    assert GraphError("text").problems == ("text",)
    assert GraphError("text", problems=["a", "b"]).problems == ("a", "b")
    assert GraphError().problems == ()


def test_a_long_list_of_problems_is_shown_in_part_and_kept_as_a_whole():
    error = GraphError(problems=[f"problem {n}" for n in range(5000)])
    assert len(error.problems) == 5000
    assert str(error).startswith("5000 problems:\n  - problem 0\n")
    assert str(error).endswith("  - problem 99\n  - and 4900 more")


def test_a_missing_extra_names_its_pip_command():
    error = MissingExtra("drawing", "thing", "notebook")
    assert str(error) == "drawing needs thing, which is not installed: pip install 'graphkit-serving[notebook]'"


def test_a_missing_model_reads_as_it_was_written():
    assert str(CLASSES["ModelNotFound"]("no 'x'")) == "no 'x'"


def test_step_errors_are_runtime_errors():
    assert issubclass(StepError, RuntimeError)
    with pytest.raises(LookupError):
        raise CLASSES["ModelNotFound"]("x")


@pytest.mark.parametrize(
    ("name", "allowed", "found"),
    [
        ("handlr", ["handler", "name"], "handler"),
        ("HANDLER", ["handler"], "handler"),
        ("zzz", ["handler", "name"], None),
        ("a", [], None),
        (5, ["55", "x"], "55"),
        ("step5000x", [f"step{n}" for n in range(20_000)], "step5000"),
        ("zzz", [f"step{n}" for n in range(20_000)], None),
    ],
)
def test_the_nearest_name_is_offered_if_there_is_one(name, allowed, found):
    assert nearest(name, allowed) == (f", did you mean {found!r}?" if found else "")


def test_the_nearest_name_does_not_depend_on_the_order():
    assert nearest("ab", ["ac", "aa"]) == nearest("ab", ["aa", "ac"])


def test_choices_are_sorted_and_cut():
    assert choices(["b", "a", "a"]) == "'a', 'b'"
    assert choices([]) == "none"
    assert choices(map(str, range(100, 120)), most=2) == "'100', '101' and 18 more"


@pytest.mark.parametrize(
    ("exc", "text"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError("too small"), "ValueError: too small"),
        (ValueError(), "ValueError"),
        (GraphError("no such step"), "no such step"),
        (StepError(), "StepError"),
    ],
)
def test_an_exception_is_told_with_its_type_and_a_sentence_of_our_own_without(exc, text):
    assert told(exc) == text


def test_an_exception_that_cannot_say_what_it_is_is_told_all_the_same():
    class Mute(Exception):
        def __str__(self):
            raise TypeError("no words")

    assert told(Mute()) == "Mute: (its text raised TypeError)"
