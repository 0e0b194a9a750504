"""From names to objects: the namespace, then the step library, then dotted paths, then a few built-ins."""

from __future__ import annotations

import fractions
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit import GraphError, Merge, ModelRouter
from graphkit.runtime.lookup import Lookup, Watch, is_same
from graphkit.runtime.resolve import Unresolved, as_namespace, resolve
from graphkit.steps.functions import Map


def mine() -> None: ...


@pytest.mark.parametrize(
    ("name", "namespace", "found"),
    [
        ("mine", {"mine": mine}, mine),
        ("Map", {}, Map),
        ("Map", {"Map": mine}, mine),
        ("graphkit.Merge", {}, Merge),
        ("graphkit.steps.merge.Merge", {}, Merge),
        ("mlrun.serving.ModelRouter", {}, ModelRouter),
        ("mlrun.serving.routers.ModelRouter", {}, ModelRouter),
        ("storey.Map", {}, Map),
        ("fractions.Fraction", {}, fractions.Fraction),
        ("fractions.Fraction.limit_denominator", {}, fractions.Fraction.limit_denominator),
        ("os.path.join", {}, __import__("os").path.join),
        ("fr.Fraction", {"fr": fractions}, fractions.Fraction),
        ("box.part.value", {"box": types.SimpleNamespace(part=types.SimpleNamespace(value=5))}, 5),
        ("str", {}, str),
        ("str", {"str": mine}, mine),
        ("len", {}, len),
    ],
)
def test_what_a_name_means(name: str, namespace: dict[str, Any], found: Any) -> None:
    assert resolve(name, namespace) == found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("myne", "'myne' is not defined: neither in your namespace nor in graphkit, did you mean 'mine'?"),
        ("Merg", "'Merg' is not defined: neither in your namespace nor in graphkit, did you mean 'Merge'?"),
        ("eval", "'eval' is not defined: neither in your namespace nor in graphkit"),
        ("open", "'open' is not defined: neither in your namespace nor in graphkit"),
        ("_hidden", "'_hidden' is not defined: neither in your namespace nor in graphkit"),
        ("fractions.Fractoin", "'fractions.Fractoin' is not defined: 'fractions' has no 'Fractoin', did you mean "
                               "'Fraction'?"),
        ("no_such.thing", "'no_such.thing' cannot be imported: there is no module 'no_such'"),
        ("mine.part", "'mine.part' is not defined: 'mine' has no 'part'"),
        ("$object:<lambda>", "'<lambda>' was an object that a saved spec cannot hold; give it to the step again"),
    ],
)  # fmt: skip
def test_what_a_name_that_means_nothing_says(name: str, message: str) -> None:
    with pytest.raises(Unresolved) as caught:
        resolve(name, {"mine": mine})
    assert caught.value.args[0] == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('at import')", "'breaks.f' cannot be imported: ValueError: at import"),
        ("import no_such_part", "'breaks.f' cannot be imported: No module named 'no_such_part'"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (tmp_path / "breaks.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(Unresolved) as caught:
        resolve("breaks.f", {})
    assert caught.value.args[0] == message


def test_a_namespace_is_a_dict_a_module_or_several_of_them() -> None:
    one: dict[str, Any] = {"a": 1}
    assert as_namespace(one) is one
    assert as_namespace(graphkit)["Merge" if "Merge" in vars(graphkit) else "GraphServer"]
    several = as_namespace([{"a": 0}, one, fractions])
    one["b"] = 2
    assert (several["a"], several["b"], several["Fraction"]) == (0, 2, fractions.Fraction)
    assert as_namespace(None) == {}
    with pytest.raises(GraphError, match="a namespace is a dict, a module or a list of them, found int"):
        as_namespace(5)
    with pytest.raises(GraphError, match="found str"):
        as_namespace("names")


# ---- what is watched ----------------------------------------------------------------------------------------------


def watched(name: str, namespace: dict[str, Any]) -> Watch:
    lookup = Lookup(namespace, {})
    lookup.name("step", name, "handler")
    assert lookup.problems == []
    return lookup.watch


def test_a_name_that_means_something_else_is_a_change() -> None:
    namespace: dict[str, Any] = {"f": mine, "g": mine}
    watch = watched("f", namespace)
    namespace["g"] = str
    assert not watch.changed()
    namespace["f"] = str
    assert watch.changed()
    namespace["f"] = mine
    assert not watch.changed()
    del namespace["f"]
    assert watch.changed()


def test_a_name_that_hides_the_library_or_a_module_is_a_change() -> None:
    for name in ("Map", "fractions.Fraction", "str"):
        namespace: dict[str, Any] = {}
        watch = watched(name, namespace)
        assert not watch.changed()
        namespace[name.partition(".")[0]] = fractions
        assert watch.changed()


def test_a_part_that_means_something_else_is_a_change() -> None:
    box = types.SimpleNamespace(f=mine)
    watch = watched("box.f", {"box": box})
    assert not watch.changed()
    box.f = str
    assert watch.changed()
    del box.f
    assert watch.changed()


def test_a_method_is_the_same_each_time_that_it_is_looked_up() -> None:
    class Box:
        def method(self) -> None: ...

    one, two = Box(), Box()
    watch = watched("box.method", {"box": one})
    assert not watch.changed()
    assert is_same(one.method, one.method)
    assert not is_same(one.method, two.method)
    assert not is_same("abc".upper, "abd".upper)
    assert is_same(sys.stdout.write, sys.stdout.write)
    assert not is_same(1.0, 2.0)
