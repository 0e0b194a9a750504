"""Expressions: what they may do, what they may not, and how they say so."""

import operator
import os
import threading
import types
from collections import UserDict

import numpy as np
import pandas as pd
import pytest

from graphkit.core.errors import BadRequest, GraphError
from graphkit.core.event import Event
from graphkit.core.expr import compile_expression, is_expression


def run(text, event=None, **namespace):
    return compile_expression(text, namespace, "step 's'")(event)


def refused(text, event=None, **namespace):
    with pytest.raises(GraphError) as caught:
        run(text, event, **namespace)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(event)", True),
        (" ( event ) ", True),
        ("event", False),
        ("f", False),
        ("a.b", False),
        ("(a", False),
        (5, False),
    ],
)
def test_an_expression_stands_in_brackets(text, wanted):
    assert is_expression(text) is wanted


# ---- what is allowed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event", "wanted"),
    [
        ("(event + 1)", 2, 3),
        ("event * 2", 2, 4),
        ("(event['a'] + event['b'][-1])", {"a": 1, "b": [2, 3]}, 4),
        ("(event['a']['b'])", {"a": {"b": 1}}, 1),
        ("(event.a)", {"a": 1}, 1),
        ("(event.body['x'])", Event({"x": 1}), 1),
        ("(event[1:3])", [1, 2, 3, 4], [2, 3]),
        ("({'x': event, **{'y': 2}})", 1, {"x": 1, "y": 2}),
        ("([event, 2])", 1, [1, 2]),
        ("(event, 2)", 1, (1, 2)),
        ("({event, 2})", 1, {1, 2}),
        ("()", 1, ()),
        ("('big' if event > 10 else 'small')", 11, "big"),
        ("(1 < event <= 3 and not event == 2 or None)", 3, True),
        ("('a' in event, 'b' not in event, event is None)", {"a": 1}, (True, True, False)),
        ("([x * 2 for x in event if x > 1])", [1, 2, 3], [4, 6]),
        ("({k: v for k, v in event.items() if v})", {"a": 1, "b": 0}, {"a": 1}),
        ("([0 for _ in event])", [1, 2], [0, 0]),
        ("(sum(x * y for x in event for y in event))", [1, 2], 9),
        ("(any(x > 1 for x in event))", [1, 2], True),
        ("(f'{event[\"a\"]:>4}|{event[\"a\"]!r}|{event[\"b\"]:.2f}')", {"a": "x", "b": 1.234}, "   x|'x'|1.23"),
        ("('%s-%03d' % (event, 7))", "a", "a-007"),
        ("(event.strip().upper().replace('A', 'B'))", " a ", "B"),
        ("(','.join(event))", ["a", "b"], "a,b"),
        ("(sorted(event, reverse=True)[0])", [1, 3, 2], 3),
        ("(round(max(event) / len(event), 1), min(event), abs(-1), bool(0))", [1, 2, 4], (1.3, 1, 1, False)),
        ("(int('3') + float('0.5'), str(event), list((1,)))", 1, (3.5, "1", [1])),
        ("(tuple([1]), set([1]), dict(a=event))", 1, ((1,), {1}, {"a": 1})),
        ("(2 ** 10, 7 // 2, 7 % 3, 1 << 4, 5 & 4 | 1 ^ 2, ~1, -event, +event)", 1, (1024, 3, 1, 16, 7, -2, -1, 1)),
        ("(1\n + event)", 2, 3),
    ],
)  # fmt: skip
def test_expressions_compute_what_python_does(text, event, wanted):
    found = run(text, event)
    assert found == wanted
    assert type(found) is type(wanted)
    assert found == eval(text, {"event": event, "__builtins__": __builtins__}) if ".a)" not in text else True


def test_arrays_and_tables_take_part():
    table = pd.DataFrame({"price": np.arange(60_000.0), "count": 2})
    assert run("((event['price'] * event['count'] + event.price).sum())", table) == 3 * table.price.sum()
    assert run("(event ** 2 + event * 3)", np.array([1, 2])).tolist() == [4, 10]
    assert run("((event @ event) % 4)", np.array([1, 3])) == 2
    assert run("(event[event > 1])", np.array([1, 2, 3])).tolist() == [2, 3]


def test_functions_classes_and_data_of_the_namespace_may_be_used():
    def double(x, plus=0):
        return 2 * x + plus

    class Pair:
        def __init__(self, x):
            self.x = x

    assert run("(double(event, plus=k) + Pair(3).x)", 2, double=double, Pair=Pair, k=1) == 8


def test_the_namespace_comes_before_the_builtins():
    assert run("(max(event))", [1, 2], max=lambda items: "mine") == "mine"


def test_a_loops_own_names_come_before_the_namespace():
    assert run("([x for x in event] + [x])", [1], x=5) == [1, 5]


def test_the_namespace_is_kept_by_reference():
    namespace = {"k": 1}
    function = compile_expression("(event + k)", namespace)
    assert function(1) == 2
    namespace["k"] = 10
    assert function(1) == 11
    del namespace["k"]
    with pytest.raises(GraphError, match="names 'k', which is not defined"):
        function(1)


def test_a_mapping_of_any_kind_is_a_namespace():
    assert compile_expression("(k)", UserDict(k=1))(None) == 1


def test_looking_at_an_event_does_not_look_through_it():
    class Loud(list):
        def __iter__(self):
            raise AssertionError("the event was gone through")

    assert run("(len(event['rows']) + event['a'])", {"rows": Loud([1, 2]), "a": 1}) == 3


def test_an_event_may_contain_itself():
    event = {"a": 1}
    event["self"] = event
    assert run("(event['self']['a'])", event) == 1


# ---- what is refused, when it is parsed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("(event.__class__)", "the attribute '__class__' is private", 2),
        ("(event['x']._secret)", "the attribute '_secret' is private", 2),
        ("(().__class__.__bases__[0].__subclasses__())", "the attribute '__subclasses__' is private", 2),
        ("(f'{event.__class__}')", "the attribute '__class__' is private", None),
        ("([x.__class__ for x in event])", "the attribute '__class__' is private", 3),
        ("(1 + __import__('os').system('ls'))", "private", 6),
        ("(_)", "the name '_' is private", 2),
        ("(_x + 1)", "the name '_x' is private", 2),
        ("('{0.x}'.format(event))", "the attribute 'format' is not allowed", 2),
        ("('{x}'.format_map(event))", "the attribute 'format_map' is not allowed", 2),
        ("(event.mro())", "the attribute 'mro' is not allowed", 2),
        ("(event.gi_frame.f_builtins)", "the attribute 'f_builtins' is not allowed", 2),
        ("(event.cr_frame)", "the attribute 'cr_frame' is not allowed", 2),
        ("(event.f_globals['os'])", "the attribute 'f_globals' is not allowed", 2),
        ("(event.func_globals)", "the attribute 'func_globals' is not allowed", 2),
        ("(event.tb_frame)", "the attribute 'tb_frame' is not allowed", 2),
        ("(lambda: 1)", "lambda is not allowed", 2),
        ("(x := 1)", "an assignment (:=) is not allowed", 2),
        ("(await event)", "await is not allowed", 2),
        ("(yield 1)", "yield is not allowed", 2),
        ("(max(*event))", "unpacking (*) is not allowed", 6),
        ("(max(**event))", "unpacking (**) is not allowed", 6),
        ("([*event])", "unpacking (*) is not allowed", 3),
        ("({x for x in event})", "a loop in a set is not allowed", 2),
        ("([x async for x in event])", "async loops are not allowed", 1),
        ("(event[0]())", "only what has a name can be called", 2),
        ("((lambda: 1)())", "only what has a name can be called", 2),
        ("('é' + event._x)", "the attribute '_x' is private", 8),
    ],
)
def test_what_is_refused_is_refused_when_it_is_parsed_and_shows_the_place(text, problem, column):
    with pytest.raises(GraphError) as caught:
        compile_expression(text, {}, "step 's'")
    message = caught.value.message
    assert message.startswith(f"step 's': {text!r} is refused: ")
    assert problem in message
    if column is not None:
        assert message.endswith(f", at column {column}\n  {text}\n  {' ' * (column - 1)}^")


@pytest.mark.parametrize(
    "text",
    [
        *("import os", "from os import system", "a = 1", "event += 1", "del event", "(1; 2)", "1\n2", "", "("),
        "(event +)",
        *("for x in event: x", "def f(): 1", "exec 'x'", "print 1", "(event) (", "'", "(\x00)", "assert 0"),
        "(" * 500 + ")" * 500,
    ],
)
def test_what_is_no_expression_is_told_when_it_is_parsed(text):
    with pytest.raises(GraphError, match=r"(?s)step 's': .*(is not an expression|cannot be read)"):
        compile_expression(text, {}, "step 's'")


def test_the_place_of_a_mistake_is_shown():
    with pytest.raises(GraphError, match=r"invalid syntax, at column 9\n  \(event \+\)\n {10}\^$"):
        compile_expression("(event +)")
    with pytest.raises(GraphError, match=r"at line 2, column 4\n   \+ event._x\)\n {5}\^$"):
        compile_expression("(1\n + event._x)")


# ---- what is refused, when it is run ----------------------------------------------------------------------

DANGEROUS = [eval, exec, compile, open, getattr, setattr, delattr, globals, locals, vars, dir, type, isinstance, repr]
DANGEROUS += [input, breakpoint, help, os.system, os.popen, os.execv, operator.attrgetter, operator.methodcaller]


@pytest.mark.parametrize("function", DANGEROUS)
@pytest.mark.parametrize(
    "text",
    ["(f(event))", "(max(event, key=f))", "([f][0])", "(box.f(event))", "(box['f'])", "(give())", "({'f': f})"],
)
def test_dangerous_functions_are_refused_wherever_they_come_from(function, text):
    class Box(dict):
        pass

    box = Box(f=function)
    box.f = function
    assert "this function is not allowed" in refused(text, [1], f=function, box=box, give=lambda: function) or (
        "forbidden" in refused(text, [1], f=function, box=box)
    )


@pytest.mark.parametrize(
    "text",
    ["(os)", "(os.system('ls'))", "(box.os.system('ls'))", "(box['os'])", "(give())", "([m for m in box.values()])"],
)
def test_modules_are_refused_wherever_they_come_from(text):
    class Box(dict):
        pass

    box = Box(os=os)
    box.os = os
    assert "module" in refused(text, 1, os=os, box=box, give=lambda: os)


@pytest.mark.parametrize("name", ["open", "eval", "exec", "getattr", "print", "type", "input", "vars", "isinstance"])
def test_builtins_that_are_not_pure_are_not_there(name):
    assert f"calls {name!r}, which is not defined" in refused(f"({name}('x'))")


@pytest.mark.parametrize("module", ["IPython.core.interactiveshell", "ipykernel.zmqshell"])
def test_what_a_notebook_puts_into_the_namespace_is_refused(module):
    def get_ipython():
        raise AssertionError("must not be called")

    get_ipython.__module__ = module
    assert "belongs to the notebook" in refused("(get_ipython().system('ls'))", get_ipython=get_ipython)


@pytest.mark.parametrize(
    "text",
    [
        "(9 ** 9 ** 9)",
        "(3999999 ** 3999999)",
        "(1 << 10 ** 9)",
        "(2 ** 900000 * 2 ** 900000)",
        "('a' * 10 ** 9)",
        "(10 ** 9 * 'a')",
        "([0] * 10 ** 9)",
        "((0,) * 10 ** 9)",
        "(b'a' * 10 ** 9)",
        "('a' * 60000 + 'b' * 60000)",
        "('%1000000000d' % 1)",
        "('%.1000000000f' % 1.5)",
        "('%*d' % (1000000000, 1))",
        "(f'{1:1000000000}')",
        "(f'{1.5:.1000000000f}')",
        "(f'{1:{event}}')",
        "('a'.ljust(10 ** 9))",
        "('a'.rjust(10 ** 9))",
        "('a'.center(10 ** 9))",
        "('1'.zfill(10 ** 9))",
        "(('\\t' * 1000).expandtabs(10 ** 6))",
        "(('a' * 50000).replace('a', 'b' * 50000))",
        "(('a' * 50000).join(['b'] * 50000))",
        "([0 for a in event2 for b in event2 for c in event2])",
        "(('a' * 50000).translate({97: 'b' * 50000}))",
        "(('a' * 50000).translate(['b' * 50000] * 100))",
        "(sum([[0] * 50000] * 50000, []))",
        "(sum([[0] * 1000] * 90, []) and sum([[0]] * 99999, []))",
        "(sum([[0] * 50000] * 50000, start=[]))",
        "(str([[[0] * 50000] * 50000] * 50000))",
        "(f'{[[[0] * 50000] * 50000] * 50000}')",
        "(f'{[[[0] * 50000] * 50000] * 50000!r}')",
        "('%s' % ([[[0] * 50000] * 50000] * 50000,))",
        "('%(a)s' % {'a': [[[0] * 50000] * 50000] * 50000})",
        "(str({1: [['a' * 50000] * 50000]}))",
        "(['a' * 99999 for i in 'b' * 9999])",
        "([f'{i}' * 99999 for i in 'b' * 9999])",
        "([[0] * 99999 for i in 'b' * 9999])",
        "([event3[1:] for i in 'b' * 9999])",
        "([2 ** 900000 for i in 'b' * 9999])",
        "([event3.upper() for i in 'b' * 9999])",
        "([list(event3) for i in 'b' * 9999])",
        "([event4.extend(event4) for i in 'b' * 9999])",
        "([event3.encode('utf-16') for i in 'b' * 9999])",
        "(str.ljust('a', 10 ** 9))",
        "(str.join('a' * 50000, ['b'] * 50000))",
        "(str.replace('a' * 50000, 'a', 'b' * 50000))",
        "([list.extend(event4, [0] * 99999) for i in 'b' * 9999])",
        "((5).to_bytes(10 ** 9, 'big'))",
        "(int.to_bytes(5, 10 ** 9, 'big'))",
        "(int.to_bytes(5, length=10 ** 9, byteorder='big'))",
        "(round(5, -10 ** 9))",
        "(round(5, ndigits=-10 ** 9))",
        "([event3.split('a') for i in 'b' * 9999])",
        "([[[[0] * 1000] * 1000] * 1000] * 1000 == [[[[0] * 1000] * 1000] * 1000] * 1000)",
        "([[[0] * 1000] * 1000] * 1000 < [[[0] * 1000] * 1000] * 1000)",
        "([[[0] * 1000] * 1000] * 1000 in [[[[0] * 1000] * 1000] * 1000])",
        "(max([[[[0] * 1000] * 1000] * 1000] * 2))",
        "(set([(((0,) * 1000,) * 1000,) * 1000]))",
        "([[[[0] * 1000] * 1000] * 1000].index([[[0] * 1000] * 1000] * 1000))",
        "(round(10 ** 5000, -10 ** 9))",
        "(max([10 ** 9], key='x'.center))",
        "(sorted([10 ** 9], key=(1).to_bytes))",
        "(''.join({i: s for s in ['a' * 99999] for i in 'bcdefghij'}.values()))",
        "(sum({i: t for t in [(1,) * 99999] for i in 'bcdefghij'}.values(), ()))",
        "(('\\t' * 20000).encode().expandtabs(99999))",
        "('a\\ta'.expandtabs(tabsize=10 ** 9))",
    ],
)
def test_what_would_fill_the_memory_or_take_years_is_refused(text):
    assert " is refused: " in refused(text, 10**9, event2=list(range(100)), event3="a" * 99_999, event4=[0])


def test_large_events_and_what_functions_of_the_users_make_of_them_are_not_counted():
    text = "a" * 30_000_000
    assert run("(event['text'])", {"text": text}) is text
    assert run("(len(event['text']) + event['text'].count('a'))", {"text": text}) == 60_000_000
    assert run("(len(many(30)) + len(again.much()))", 1, many=lambda n: [0] * n * 10**6, again=Makes()) == 60_000_000
    assert run("(event[1:3])", text) == "aa"
    assert len(run("(str(event))", list(range(200_000)))) > 10**6


def test_large_values_that_hold_nothing_twice_are_compared():
    rows = [[i, [i]] for i in range(300_000)]
    assert run("(event['a'] == event['b'])", {"a": rows, "b": [list(row) for row in rows]}) is True


class Makes:
    def much(self):
        return "a" * 30_000_000


def test_each_evaluation_begins_to_count_anew():
    double = compile_expression("([event + event for i in 'aaaaaaaaa'])")
    for _ in range(100):
        assert len(double("b" * 49_000)) == 9


def test_a_form_that_comes_with_the_event_is_no_format_string():
    with pytest.raises(ValueError, match="Invalid format specifier"):
        run('(f\'{event["v"]:{event["form"]}}\')', {"v": "x", "form": "}{0.__class__.__init__.__globals__"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(evnt + 1)", "'(evnt + 1)' names 'evnt', which is not defined, did you mean 'event'?"),
        ("(doubel(event))", "'(doubel(event))' calls 'doubel', which is not defined, did you mean 'double'?"),
        ("(qqqq)", "'(qqqq)' names 'qqqq', which is not defined"),
        ("(k(1))", "'(k(1))' is refused: k is no function"),
    ],
)
def test_a_name_that_is_not_defined_is_told_with_the_nearest_one(text, message):
    assert refused(text, 1, double=len, k=5) == f"step 's': {message}"


# ---- what is missing, and what fails ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event", "message"),
    [
        ("(event['agee'])", {"age": 1}, "found no 'agee'; there is 'age', did you mean 'age'?"),
        ("(event[5])", [1, 2], "found no 5 in a value of type list of 2"),
        ("(event['a'])", None, "looks up 'a' in None"),
        ("(event['a'])", 5, "looks up 'a' in a value of type int"),
        ("(event.agee)", {"age": 1}, "found no 'agee' in a value of type dict"),
        ("(event.x.y)", {"x": None}, "found no 'y' in None"),
    ],
)
def test_what_the_event_lacks_is_a_bad_request(text, event, message):
    with pytest.raises(BadRequest) as caught:
        run(text, event)
    assert caught.value.message == f"step 's': {text!r} {message}"
    assert caught.value.status == 400
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("error", [KeyError("x"), IndexError("x"), ValueError("x"), RuntimeError("x")])
def test_what_a_function_of_the_namespace_raises_comes_through(error):
    def broken(body):
        raise error

    with pytest.raises(type(error)) as caught:
        run("([broken(x) for x in event][0])", [1], broken=broken)
    assert caught.value is error


def test_a_type_error_of_an_operator_comes_through():
    with pytest.raises(TypeError):
        run("(event + 1)", "a")


# ---- state ------------------------------------------------------------------------------------------------


def test_an_expression_may_come_back_to_itself():
    namespace = {}
    namespace["again"] = compile_expression(
        "([again(x) if x.children else x.value for x in event.children])", namespace
    )

    def node(value, *children):
        return types.SimpleNamespace(value=value, children=children)

    tree = node(0, node(1), node(2, node(3), node(4, node(5))), node(6))
    assert namespace["again"](tree) == [1, [3, [5]], 6]


def test_an_expression_that_failed_can_be_used_again():
    function = compile_expression("([x['a'] for x in event])")
    with pytest.raises(BadRequest):
        function([{"a": 1}, {}])
    assert function([{"a": 1}]) == [1]


def test_an_expression_serves_many_threads_at_once():
    function = compile_expression("(sum([x * event['k'] for x in event['rows']]) + event['k'])")
    wrong = []

    def work(k):
        rows = list(range(20))
        for _ in range(200):
            if function({"k": k, "rows": rows}) != 190 * k + k:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_expression_does_not_hold_on_to_the_last_event():
    import gc
    import weakref

    class Body(dict):
        pass

    body = Body(a=1)
    function = compile_expression("(event['a'])")
    assert function(body) == 1
    gone = weakref.ref(body)
    del body
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    "text", ["[x for x in event]", "sum(x for x in event)", "[y for x in [event, [1]] for y in x]"]
)
def test_a_loop_over_too_many_items_tells_the_limit_and_the_remedy(text):
    assert compile_expression("[x for x in event]")(list(range(10_000)))[-1] == 9_999
    with pytest.raises(GraphError, match=r"go through 10,000 items at most, .*; use a function, which has no limit"):
        compile_expression(text)(list(range(10_001)))


def test_what_a_loop_makes_too_long_is_told_as_such():
    with pytest.raises(GraphError, match="the result would be longer than 100000 characters"):
        compile_expression("['a' * x for x in event]")([1_000_000])
