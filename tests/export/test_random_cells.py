"""Cells in any order, run again in other versions: the module that is written means what the notebook meant."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from graphkit.export.cells import Cell
from graphkit.export.collect import Collector
from graphkit.export.module import module_text
from graphkit.export.statements import statements_of

COUNT = 6


@st.composite
def cells(draw):
    """Return cells that define ``n0`` to ``n5``; each uses some that come before it in that order.

    Every name is defined once, in order, so that nothing fails; then any may be defined anew.
    """
    made = []
    order = [*range(COUNT), *draw(st.lists(st.integers(0, COUNT - 1), max_size=8))]
    kinds = draw(st.lists(st.sampled_from(["function", "value", "class", "list"]), min_size=COUNT, max_size=COUNT))
    for version, number in enumerate(order):
        used = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else []
        terms = " + ".join([str(version), *(_use(other, kinds[other]) for other in used)])
        now = " + ".join([str(version), *(_use(other, kinds[other], "1") for other in used)])
        name = f"n{number}"
        if kinds[number] == "function":
            decorator = draw(st.sampled_from(["", "", "@same\n"]))
            default = f", by={now}" if draw(st.booleans()) else ""
            made.append(f"{decorator}def {name}(x{default}):\n    # version {version}\n    return {terms}")
        elif kinds[number] == "class":
            made.append(
                f"class {name}:\n    at_once = {version}\n    @staticmethod\n    def run(x):\n        return {terms}"
            )
        elif kinds[number] == "value":
            made.append(f"{name} = {now}")
        else:
            made.append(f"{name} = [{now}]")
            if draw(st.booleans()):
                made.append(f"{name}.append({version})")
    unused = ["import os, sys\nprint_me = 1", "def unused(): return n0"]
    return ["def same(f): return f", *unused, *made]


def _use(number, kind, argument="x"):
    return {
        "function": f"n{number}({argument})",
        "class": f"(n{number}.at_once + n{number}.run({argument}))",
        "value": f"n{number}",
        "list": f"sum(n{number})",
    }[kind]


def meaning(namespace, wanted):
    """Return what names mean: values, and what functions answer."""
    found = {}
    for name in wanted:
        value = namespace[name]
        if isinstance(value, type):
            value = value.at_once, value.run(2)
        elif callable(value):
            value = value(2)
        found[name] = value
    return found


@settings(max_examples=150, deadline=None)
@given(sources=cells(), wanted=st.sets(st.integers(0, COUNT - 1), min_size=1))
def test_the_module_means_what_the_notebook_meant(sources, wanted):
    names = [f"n{number}" for number in sorted(wanted)]
    home = {"__name__": "__main__"}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), home)
    statements = statements_of(Cell(source, f"cell {number}") for number, source in enumerate(sources))
    collector = Collector(home, home, statements)
    for name in names:
        collector.need(name, "the test")
    assert collector.problems == []
    text = module_text(collector.taken, "Made of cells.")
    fresh = {"__name__": "steps"}
    exec(compile(text, "steps.py", "exec"), fresh)
    assert meaning(fresh, names) == meaning(home, names), text
    assert "unused" not in text
    assert "import os" not in text
    assert len(ast.parse(text).body) <= 1 + 3 * COUNT
