"""Paths into bodies: what they select, what they set, and that nothing is ever mutated."""

import contextlib
import copy
import types
from collections import OrderedDict, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit.core.errors import BadRequest, GraphError
from graphkit.core.paths import getter, setter, split

KEYS = st.sampled_from(["a", "b", "0", "1"])
BODIES = st.recursive(
    st.none() | st.integers() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(KEYS, min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("a", {"a": 1}, 1),
        ("a", {"a": None}, None),
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.1", {"a": [1, 2]}, 2),
        ("a.-1", {"a": [1, 2]}, 2),
        ("0", [1], 1),
        ("0.x", [{"x": 1}], 1),
        ("a.0", {"a": (1, 2)}, 1),
        ("0", {"0": 1}, 1),
        ("a", OrderedDict(a=1), 1),
        ("a.b", types.MappingProxyType({"a": {"b": 1}}), 1),
    ],
)
def test_a_getter_selects_what_is_there(path, body, found):
    assert getter(path)(body) == found


def test_a_getter_gives_the_object_itself():
    body = {"a": {"b": []}}
    assert getter("a.b")(body) is body["a"]["b"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("agee", {"age": 1}, "the body has no 'agee': 'agee' is missing, there is 'age', did you mean 'age'?"),
        ("a.x", {"a": {}}, "the body has no 'a.x': 'x' is missing, there is none"),
        ("a.b.c", {"a": {"b": None}}, "the body has no 'a.b.c': 'c' is looked up in None, not in a dict"),
        ("a", 5, "the body has no 'a': 'a' is looked up in a value of type int, not in a dict"),
        ("a", None, "the body has no 'a': 'a' is looked up in None, not in a dict"),
        ("a.b", {"a": "text"}, "the body has no 'a.b': 'b' is looked up in a value of type str, not in a dict"),
        ("a.2", {"a": [1, 2]}, "the body has no 'a.2': '2' is no index of a list of 2"),
        ("a.x", {"a": [1, 2]}, "the body has no 'a.x': 'x' is no index of a list of 2"),
    ],
)
def test_a_getter_tells_what_is_missing(path, body, message):
    with pytest.raises(BadRequest) as caught:
        getter(path)(body)
    assert (caught.value.message, caught.value.status) == (message, 400)


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("a", {"b": 1}, {"b": 1, "a": 9}),
        ("a", {"a": 1}, {"a": 9}),
        ("a", None, {"a": 9}),
        ("a.b", None, {"a": {"b": 9}}),
        ("a.b.c", {}, {"a": {"b": {"c": 9}}}),
        ("a.b", {"a": None, "c": 1}, {"a": {"b": 9}, "c": 1}),
        ("a.b", {"a": {"c": 1}}, {"a": {"c": 1, "b": 9}}),
        ("a.1", {"a": [1, 2]}, {"a": [1, 9]}),
        ("a.-1.x", {"a": [1, {"y": 2}]}, {"a": [1, {"y": 2, "x": 9}]}),
        ("0", [1, 2], [9, 2]),
    ],
)
def test_a_setter_puts_a_value_in_its_place(path, body, wanted):
    before = copy.deepcopy(body)
    assert setter(path)(body, 9) == wanted
    assert body == before


def test_a_mapping_that_cannot_change_becomes_a_dict():
    body = types.MappingProxyType({"a": types.MappingProxyType({"b": 1})})
    assert setter("a.c")(body, 9) == {"a": {"b": 1, "c": 9}}


@pytest.mark.parametrize("kind", [OrderedDict, lambda **items: defaultdict(list, items)])
def test_a_setter_keeps_the_kind_of_dict(kind):
    body = kind(a=1)
    found = setter("b")(body, 9)
    assert type(found) is type(body)
    assert (found["b"], "b" in body) == (9, False)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("a", 5, "a result cannot be put at 'a': 'a' would stand in a value of type int, not in a dict"),
        ("a.b", {"a": "x"}, "a result cannot be put at 'a.b': 'b' would stand in a value of type str, not in a dict"),
        (
            "a.0",
            {"a": (1,)},
            "a result cannot be put at 'a.0': '0' would stand in a value of type tuple, not in a dict",
        ),
        ("a.5", {"a": [1]}, "the body has no 'a.5': '5' is no index of a list of 1"),
        ("a. 0", {"a": [1]}, "the body has no 'a. 0': ' 0' is no index of a list of 1"),
        ("a.-2", {"a": [1]}, "the body has no 'a.-2': '-2' is no index of a list of 1"),
    ],
)
def test_a_setter_tells_what_stands_in_the_way(path, body, message):
    with pytest.raises(BadRequest) as caught:
        setter(path)(body, 9)
    assert caught.value.message == message


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", None, 5, ["a"]])
def test_what_is_no_path_is_refused_when_it_is_compiled(path):
    for compiled in (getter, setter, split):
        with pytest.raises(GraphError, match="is not a path: write names joined by dots"):
            compiled(path)


def test_a_path_is_split_at_dots():
    assert split("a.0.b c") == ("a", "0", "b c")


@given(BODIES, PATHS, st.integers())
def test_what_was_set_is_found_again_and_nothing_else_changes(body, path, value):
    before = copy.deepcopy(body)
    try:
        new = setter(path)(body, value)
    except BadRequest:
        assert body == before
        return
    assert getter(path)(new) == value
    assert body == before
    if body is not None:
        assert type(new) is type(body)
    # setting what was there before brings the old body back, where there was something
    try:
        old = getter(path)(body)
    except BadRequest:
        return
    assert setter(path)(new, old) == before


@given(BODIES, PATHS)
def test_only_what_lies_on_the_path_is_copied(body, path):
    try:
        new = setter(path)(body, object())
    except BadRequest:
        return
    old = body
    for part in path.split("."):
        if not isinstance(old, (dict, list)):
            break
        assert new is not old
        pairs = old.items() if isinstance(old, dict) else enumerate(old)
        for key, item in pairs:
            if str(key) != part:
                assert new[key] is item
        inside = part in old if isinstance(old, dict) else True
        if not inside:
            break
        key = part if isinstance(old, dict) else int(part)
        old, new = old[key], new[key]


@given(BODIES, PATHS)
def test_a_getter_finds_or_is_a_bad_request(body, path):
    before = copy.deepcopy(body)
    with contextlib.suppress(BadRequest):
        getter(path)(body)
    assert body == before
