"""What of a value an expression may reach: data and what only computes, whatever class it was inherited from."""

import collections
import datetime as dt
import decimal
import io
import re
import subprocess
import threading
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from graphkit.core.errors import GraphError
from graphkit.core.event import Event
from graphkit.core.expr import compile_expression

TABLE = pd.DataFrame({"a": [1, 2, 2], "text": ["x", "y", "z"], "when": pd.to_datetime(["2026-01-01"] * 3)})


class Mine(pd.DataFrame):
    """A table of the user's own, with a method of its own."""

    @property
    def _constructor(self):
        return Mine

    def doubled(self):
        return int(self.a.sum()) * 2


class Record:
    """As a library has it."""

    __module__ = httpx.__name__

    def model_dump(self):
        return vars(self)

    def save(self):
        raise AssertionError("must not be called")


class Order(Record):
    def __init__(self):
        self.price = 2.0

    def total(self):
        return self.price * 2


class Passes:
    def __init__(self, to):
        self.to = to

    def __getattr__(self, name):
        return getattr(self.to, name)


class Service:
    def __init__(self):
        self.run = subprocess.call


def run(text, event):
    return compile_expression(text, {"Path": Path, "Table": pd.DataFrame})(event)


@pytest.mark.parametrize(
    ("text", "event", "wanted"),
    [
        ("(int(event.a.sum() + event['a'].max()))", TABLE, 7),
        ("(event.text.str.upper().tolist())", TABLE, ["X", "Y", "Z"]),
        ("(event.when.dt.year.tolist())", TABLE, [2026] * 3),
        ("(event.groupby('a').text.count().to_dict())", TABLE, {1: 1, 2: 2}),
        ("(event.sort_values('a').iloc[0].a)", TABLE, 1),
        ("(event[event.a > 1].shape)", TABLE, (2, 3)),
        ("(event.head(2).dropna().a.round(1).mean())", TABLE, 1.5),
        ("(event.assign(c=event.a.map({1: 5}).fillna(0)).filter(items=['c']).c.tolist())", TABLE, [5, 0, 0]),
        ("(event.columns.tolist())", TABLE, ["a", "text", "when"]),
        ("(event.reshape(2, 2).T.astype('float64').tolist())", np.arange(4), [[0.0, 2.0], [1.0, 3.0]]),
        ("(event.doubled())", Mine(TABLE), 10),
        ("(event.total() + event.model_dump()['price'])", Order(), 6.0),
        ("(event.isoformat())", dt.date(2026, 1, 1), "2026-01-01"),
        ("(event.date().isoformat())", pd.Timestamp("2026-01-01"), "2026-01-01"),
        ("(event.upper())", Passes("a"), "A"),
        ("(event.quantize(1))", decimal.Decimal("2.5"), decimal.Decimal(2)),
        ("(event.group(1))", re.match("(a)b", "ab"), "a"),
        ("(event.most_common(1))", collections.Counter("aab"), [("a", 2)]),
        ("(event.headers.get('a'))", Event(1, headers={"a": "b"}), "b"),
        ("(sorted(event, key=str.lower))", ["b", "A"], ["A", "b"]),
    ],
)
def test_what_only_computes_is_called(text, event, wanted):
    assert run(text, event) == wanted


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("(event.eval('a.__class__'))", TABLE),
        ("(event.query('a.to_csv(\"written\") is None'))", TABLE),
        ("(event.to_csv('written'))", TABLE),
        ("(event.a.to_pickle('written'))", TABLE),
        ("(event.to_html('written'))", TABLE),
        ("(event.style.to_html('written'))", TABLE),
        ("(event.apply('to_csv', args=('written',)))", TABLE),
        ("(event.agg('to_pickle', path='written'))", TABLE),
        ("(event.groupby('a').apply('to_csv'))", TABLE),
        ("(event.transform('to_csv'))", TABLE),
        ("(event.a.map(event.to_csv))", TABLE),
        ("(event.assign(c=event.to_csv))", TABLE),
        ("(event.pipe('x'.upper))", TABLE),
        ("(event.plot)", TABLE),
        ("(max(['written', 'b'], key=event.to_csv))", TABLE),
        ("(sorted(['written'], key=event.eval))", TABLE),
        ("([event.to_csv])", TABLE),
        ("(event.to_csv('written'))", Mine(TABLE)),
        ("(Table.to_csv(event, 'written'))", TABLE),
        ("(event.a.values.tofile('written'))", TABLE),
        ("(event.dump('written'))", np.arange(3)),
        ("(event.dtype.type)", np.arange(3)),
        ("(event.write_text('x'))", Path("written")),
        ("(event.read_text())", Path(__file__)),
        ("(Path('written').write_text('x'))", 1),
        ("(event.read())", io.StringIO("x")),
        ("(event.start())", threading.Thread()),
        ("(event.run(['touch', 'written']))", Service()),
        ("(event.save())", Order()),
        ("(event.fork(2))", Event(1)),
        ("(event.to_csv('written'))", Passes(TABLE)),
        ("(event.write_text('x'))", Passes(Path("written"))),
        ("(event.f('written'))", {"f": TABLE.to_csv}),
        ("(event.f(['touch', 'written']))", {"f": subprocess.call}),
        ("(event.astype('U100000000'))", np.arange(3)),
    ],
)
def test_what_may_do_more_is_refused_and_does_nothing(text, event, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GraphError, match=r"is refused: .*(may do more than compute; call a function|would be longer)"):
        run(text, event)
    assert list(tmp_path.iterdir()) == []
