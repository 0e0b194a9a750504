"""Objects given to a graph: followed by name where they had one, else kept as they are."""

import functools
import json
import types

import numpy as np
import pytest

from graphkit.core.held import PLACEHOLDER, Held


def work(body):
    return body


class Work:
    class Inner:
        pass

    def do(self, body):
        return body


class Called:
    def __call__(self, body):
        return body


def make():
    def inner(body):
        return body

    return inner


def test_a_function_of_the_callers_namespace_is_followed_by_its_name():
    namespace = {"work": work}
    held = Held(work, namespace)
    assert (held.text, held.name) == ("work", "work")
    assert held.current({}) is work
    namespace["work"] = other = make()
    assert held.current({}) is other


def test_a_function_whose_name_was_deleted_stays_what_it_was():
    namespace = {"work": work}
    held = Held(work, namespace)
    del namespace["work"]
    assert held.current({}) is work


def test_what_was_replaced_does_not_come_back_when_the_name_is_deleted():
    def first():
        pass

    def second():
        pass

    namespace = {"first": first}
    held = Held(first, namespace)
    namespace["first"] = second
    assert held.current(namespace) is second
    del namespace["first"]
    assert held.current(namespace) is second


def test_a_function_of_a_module_is_written_by_its_path_and_followed_there(monkeypatch):
    held = Held(json.dumps, {})
    assert held.text == "json.dumps"
    monkeypatch.setattr(json, "dumps", work)
    assert held.current({}) is work


def test_a_class_is_followed_too():
    namespace = {"Work": Work}
    held = Held(Work, namespace)
    assert held.text == "Work"
    namespace["Work"] = Work.Inner
    assert held.current({}) is Work.Inner


def test_what_a_notebook_defines_is_written_without_its_module(monkeypatch):
    main = types.ModuleType("__main__")
    exec("def cell(body): return body", main.__dict__)
    monkeypatch.setitem(__import__("sys").modules, "__main__", main)
    held = Held(main.cell, {})
    assert held.text == "cell"
    main.cell = work
    assert held.current({}) is work


def test_a_function_that_a_script_ran_is_followed_in_its_own_globals():
    script = {"__name__": "no_module_of_that_name"}
    exec("def cell(body): return body", script)
    held = Held(script["cell"], {})
    assert held.text == "cell"
    script["cell"] = work
    assert held.current({}) is work


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (lambda body: body, "<lambda>"),
        (make(), "inner"),
        (Work().do, "do"),
        (Work.Inner, "Inner"),
        (functools.partial(work), "partial"),
        (Called(), "Called"),
    ],
)
def test_anything_else_stays_the_object_that_it_is(value, name):
    held = Held(value, {"inner": work, "do": work, "Inner": work, "partial": work})
    assert held.text == PLACEHOLDER + name
    assert held.current({name: work}) is value
    assert repr(held) == f"Held('$object:{name}')"


def test_an_object_is_followed_in_the_servers_namespace_once_it_stands_there():
    inner = make()
    held = Held(inner, {})
    namespace = {"inner": inner}
    assert held.current(namespace) is inner
    namespace["inner"] = work
    assert held.current(namespace) is work
    assert held.text == PLACEHOLDER + "inner"


def test_functions_of_numpy_are_written_by_their_path():
    assert Held(np.log, {}).text == "numpy.log"


def test_builtins_are_written_by_their_path():
    assert Held(len, {}).text == "builtins.len"
