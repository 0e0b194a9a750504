"""The global names of statements: read at once, read when called, or bound."""

from __future__ import annotations

import ast

import pytest

from graphkit.export.scopes import names_of


def found(text, **options):
    names = names_of(ast.parse(text).body[0], text, **options)
    return [" ".join(sorted(part)) for part in (names.binds, names.now, names.later, names.maybe)]


@pytest.mark.parametrize(
    ("text", "binds", "now", "later", "maybe"),
    [
        ("x = y + z", "x", "y z", "", ""),
        ("x: int = y", "x", "int y", "", ""),
        ("TABLE = {l: i + k for i, l in enumerate(rows) if i}", "TABLE", "enumerate k rows", "", ""),
        ("x = [x for x in x]", "x", "x", "", ""),
        ("t = [i for r in rows for i in r if all(j for j in i)] + [q]", "t", "all q rows", "", ""),
        ("x = sum(i for i in i)", "x", "i sum", "", ""),
        ("f = lambda a, b=c: a + b + d", "f", "c", "d", ""),
        ("def f(a, b=[c for c in d]):\n    global g\n    g += h\n    return [i for i in a]", "f", "d", "g h", ""),
        ("@deco(arg)\ndef f(x: A) -> B: return C", "f", "A B arg deco", "C", ""),
        ("def f(x: 'A', y: 'B[C]' = 1, z: 'not a name' = 2): ...", "f", "", "", "A B C"),
        ("async def f():\n    async with a() as b:\n        return [x async for x in b]", "f", "", "a", ""),
        ("class A(B, metaclass=M):\n    n = [k for k in c]\n    def m(self): return d, n", "A", "B M c", "d n", ""),
        ("for i, j in rows:\n    t[i] = j", "i j", "i j rows t", "", ""),
        ("with a as b, c: d = e", "b d", "a c e", "", ""),
        ("try:\n    import a.b as c, d.e\nexcept E as f:\n    g = 1", "c d f g", "E", "", ""),
        ("from a import b as c, d", "c d", "", "", ""),
        ("if (n := f()) > 2: m = n", "m n", "f n", "", ""),
        ("x = await f()", "x", "f", "", ""),
        ("del x", "", "", "", ""),
    ],
)
def test_names_are_told_apart(text, binds, now, later, maybe):
    assert found(text) == [binds, now, later, maybe]


def test_annotations_that_are_not_evaluated_need_nothing():
    assert found("def f(x: A = a) -> B: return C", lazy_annotations=True) == ["f", "a", "C", "A B"]
    assert found("x: A = y", lazy_annotations=True) == ["x", "y", "", "A"]
