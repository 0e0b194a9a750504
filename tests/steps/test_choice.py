import asyncio

import pytest

from graphkit.core.errors import BadRequest, GraphError, StepError
from graphkit.core.event import Event
from graphkit.steps.choice import Choice, ChoiceByField


class BySize(Choice):
    def select_outlets(self, body):
        return "large" if body > 10 else ["small", "all"]


def chosen(step, body):
    event = Event(body)
    emitted = step.do_event(event)
    assert emitted.items == (event,)
    return emitted.outlets


def test_the_event_goes_to_the_chosen_steps():
    assert chosen(BySize(), 50) == ("large",)
    assert chosen(BySize(), 5) == ("small", "all")


@pytest.mark.parametrize(("names", "outlets"), [(None, None), ([], ()), ({"b", "a"}, ("a", "b"))])
def test_none_means_all_and_an_empty_list_nobody(names, outlets):
    class Fixed(Choice):
        def select_outlets(self, body):
            return names

    assert chosen(Fixed(), 1) == outlets


def test_what_is_no_name_is_an_error():
    class Wrong(Choice):
        def select_outlets(self, body):
            return 5

    with pytest.raises(StepError, match=r"^followers are chosen by name"):
        Wrong().do_event(Event(1))


def test_the_choice_may_be_async():
    class Slow(Choice):
        async def select_outlets(self, body):
            return "a"

    async def run():
        return await Slow().do_event(Event(1))

    assert asyncio.run(run()).outlets == ("a",)


def test_the_choice_looks_at_its_input_path_and_passes_the_whole_body():
    assert chosen(BySize(input_path="n"), {"n": 50}) == ("large",)


def test_with_full_event_the_choice_gets_the_event():
    class ByPath(Choice):
        def select_outlets(self, event):
            return event.path.strip("/")

    assert ByPath(full_event=True).do_event(Event(1, path="/a")).outlets == ("a",)


def test_a_subclass_may_forget_to_call_its_base():
    class Forgetful(BySize):
        def __init__(self, limit):
            self.limit = limit

    assert chosen(Forgetful(3), 50) == ("large",)


def test_a_choice_that_chooses_nothing_is_refused_when_it_is_made():
    with pytest.raises(GraphError, match=r"^Choice must override select_outlets"):
        Choice()


def test_a_result_path_is_refused():
    with pytest.raises(GraphError, match="result_path='x'"):
        BySize(result_path="x")


@pytest.mark.parametrize(
    ("field", "body", "outlets"),
    [
        ("to", {"to": "a"}, ("a",)),
        ("to", {"to": ["a", "b"]}, ("a", "b")),
        ("to", {"to": ("b", "a")}, ("b", "a")),
        ("meta.to", {"meta": {"to": "a"}}, ("a",)),
        ("meta.to", {"meta.to": "a"}, ("a",)),
    ],
)
def test_a_field_names_the_steps(field, body, outlets):
    assert chosen(ChoiceByField(field), body) == outlets


def test_a_field_can_be_read_from_the_event():
    assert ChoiceByField("to", full_event=True).do_event(Event({"to": "a"})).outlets == ("a",)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"too": "a"}, r"is missing: the body has 'too', did you mean 'too'\?"),
        ({}, "is missing: the body has none"),
        ({"to": None}, "must hold the name of a step or a list of names, not None"),
        ({"to": 5}, "must hold .*, not 5"),
        ({"to": ["a", 5]}, r"must hold .*, not \['a', 5\]"),
        ({"to": []}, r"names no step: it is \[\]"),
        ({"to": ""}, "names no step: it is ''"),
        ([1], "is looked up in a dict, but the body is of type list"),
    ],
)
def test_a_bad_field_is_a_bad_request(body, told):
    with pytest.raises(BadRequest, match=f"^the field 'to' {told}"):
        ChoiceByField("to").do_event(Event(body))


def test_a_bad_nested_field_is_a_bad_request():
    with pytest.raises(BadRequest, match=r"meta\.to"):
        ChoiceByField("meta.to").do_event(Event({"meta": {}}))
