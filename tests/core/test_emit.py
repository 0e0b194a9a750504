import pytest

from graphkit.core.emit import NOTHING, Emit, check_outlets
from graphkit.core.errors import StepError


def test_an_emit_holds_its_items_and_outlets_as_tuples():
    emit = Emit(iter([1, 2]), iter(["a"]))
    assert (emit.items, emit.outlets) == ((1, 2), ("a",))


def test_nothing_has_no_items_and_no_choice_of_outlets():
    assert (NOTHING.items, NOTHING.outlets) == ((), None)


def test_none_means_every_follower():
    assert check_outlets(None, ["a"]) is None


@pytest.mark.parametrize("names", ["a", ["a"], ("a",), {"a"}])
def test_followers_may_be_named_by_a_text_or_any_plain_collection(names):
    assert check_outlets(names, ["a", "b"]) == ("a",)


def test_an_empty_choice_is_no_follower():
    assert check_outlets([], ["a"]) == ()


def test_a_set_is_put_in_an_order_that_is_the_same_in_every_process():
    assert check_outlets({"b", "c", "a"}, ["c", "a", "b"]) == ("a", "b", "c")


def test_an_unknown_follower_is_named_with_the_nearest_one():
    with pytest.raises(StepError, match=r"step 'split' chose 'lefd'.*'left', 'right', did you mean 'left'\?") as caught:
        check_outlets(["lefd"], ["left", "right"], "split")
    assert caught.value.step == "split"


def test_a_follower_chosen_twice_is_an_error():
    with pytest.raises(StepError, match="twice"):
        check_outlets(["a", "a"], ["a", "b"], "s")


@pytest.mark.parametrize("names", [1, [1], {"a": 1}, object])
def test_what_is_no_name_is_an_error(names):
    with pytest.raises(StepError, match="step 's': followers are chosen by name"):
        check_outlets(names, ["a"], "s")
