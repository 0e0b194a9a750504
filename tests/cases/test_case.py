"""A case as data."""

from __future__ import annotations

import msgspec
import pytest

import graphkit
from graphkit.cases.case import Case
from graphkit.core.errors import CaseError


def test_a_case_has_the_defaults_of_a_test():
    assert Case(name="a", body=1).method == "POST"
    assert Case(name="a").method == "GET"
    assert Case(name="a", body=1, method="PUT").method == "PUT"


@pytest.mark.parametrize(
    "case",
    [
        Case(name="all", path="/v2/models/m/infer", method="PUT", body={"x": [b"a"]}, content_type="application/json",
             headers={"X-Id": "1"}, status=404, answer=None, rtol=0.5, atol=0, ignore=("id", "**.t")),
        Case(name="nothing"),
        Case(name="without an answer", body=[]),
    ],
    ids=lambda case: case.name,
)  # fmt: skip
def test_a_case_comes_back_from_its_dict(case):
    assert Case.from_dict(case.to_dict()) == case


def test_defaults_are_left_out():
    assert Case(name="a", body=1).to_dict() == {"name": "a", "path": "/", "body": 1}
    assert Case(name="a", body=1, answer=None).to_dict()["answer"] is None


def test_no_answer_is_not_the_answer_none():
    assert Case.from_dict({"name": "a"}).answer is msgspec.UNSET
    assert Case.from_dict({"name": "a", "answer": None}).answer is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1], "a case is written as a dict, found list"),
        ({}, "a case needs a name"),
        ({"name": " "}, "a case needs a name"),
        ({"name": 3}, r"case 3: name: Expected `str`, got `int`"),
        ({"name": "a", "anwser": 1}, "case 'a' has the unknown key 'anwser', did you mean 'answer'"),
        ({"name": "a", "status": "200"}, "case 'a': status: Expected `int`, got `str`"),
        ({"name": "a", "headers": {"a": 1}}, "case 'a': headers"),
        ({"name": "a", "rtol": -1}, "case 'a': rtol is a number from 0 on, found -1"),
        ({"name": "a", "atol": float("nan")}, "case 'a': atol is a number from 0 on, found nan"),
        ({"name": "a", "ignore": "id"}, "case 'a': ignore"),
        ({"name": "a", "ignore": ["a["]}, "case 'a': ignore: 'a\\[' cannot be read"),
        ({"name": "a", "body": {"$x": 1}}, "case 'a': body: '\\$x' is no form"),
    ],
)
def test_what_is_no_case_is_refused(data, words):
    with pytest.raises(CaseError, match=words):
        Case.from_dict(data)


def test_an_answer_that_cannot_be_written_names_case_and_place():
    with pytest.raises(CaseError, match=r"case 'a': answer.x is of type object"):
        Case(name="a", answer={"x": object()}).to_dict()


def test_the_error_is_public():
    assert graphkit.CaseError is CaseError
