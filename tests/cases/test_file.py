"""Files of cases: what is written is read back, and what stands beside a case stays."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from graphkit.cases.case import Case
from graphkit.cases.file import CaseFile, put_case
from graphkit.core.errors import CaseError


def text_of(text):
    return textwrap.dedent(text).lstrip("\n")


TWO = text_of("""
    # What the model must always get right.
    graph: app.py:graph

    cases:
      # the usual
      - name: first   # my favourite
        body: {x: 1}
        answer: 2

      - name: second
        body:
          x: |
            a text
            of two lines
        answer: 3
      # the end
    """)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cases.yaml"


def test_a_file_comes_back(path):
    file = CaseFile(cases=(Case(name="a", body=b"x", answer=1.5), Case(name="b")), graph="app/", module="steps.py")
    file.save(path)
    assert CaseFile.load(path) == file
    assert [case.name for case in file] == ["a", "b"]
    assert file["b"].method == "GET"


def test_rows_are_written_in_lines(path):
    CaseFile(cases=(Case(name="a", body={"inputs": [[5.1, 3.5], [6.3, 3.3]]}, answer={"outputs": [0, 2]}),)).save(path)
    assert path.read_text() == text_of("""
        cases:
        - name: a
          path: /
          body:
            inputs:
            - [5.1, 3.5]
            - [6.3, 3.3]
          answer:
            outputs: [0, 2]
        """)


def test_a_bare_list_is_a_file_too():
    assert len(CaseFile.from_yaml("- name: a\n- name: b\n")) == 2


def test_the_same_object_twice_is_written_twice(path):
    rows = [[1, 2]]
    CaseFile(cases=(Case(name="a", body=rows, answer=rows),)).save(path)
    assert "&" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cases: {a: 1}", "cases is a list, found dict"),
        ("3", "a file of cases is a dict with 'cases', found int"),
        ("", "the text says nothing"),
        ("casses: []", "the file has the unknown key 'casses', did you mean 'cases'"),
        ("graph: 3\ncases: []", "graph is a text, found int"),
        ("cases:\n- name: a\n- name: a\n", "the names of cases are unique; 'a' stands there more than once"),
        ("cases:\n- name: a\n  bdoy: 1\n", "case 'a' has the unknown key 'bdoy', did you mean 'body'"),
        ("cases: [", "the text is not YAML"),
        ("cases: []\ncases: []", "stands twice"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(path, text, words):
    path.write_text(text)
    with pytest.raises(CaseError, match=words) as raised:
        CaseFile.load(path)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_is_named(path):
    with pytest.raises(CaseError, match=r"cases\.yaml.*cannot be read: No such file"):
        CaseFile.load(path)


def test_an_unknown_case_is_named_with_the_nearest():
    with pytest.raises(CaseError, match="there is no case 'frist', did you mean 'first'"):
        CaseFile.from_yaml(TWO)["frist"]


def test_a_case_is_put_into_a_new_file(path):
    put_case(path, Case(name="a", body=1))
    assert [case.name for case in CaseFile.load(path)] == ["a"]


def test_a_new_case_goes_to_the_end_and_all_else_stays(path):
    path.write_text(TWO)
    put_case(path, Case(name="third", body=3, answer=4))
    new = "  - name: third\n    path: /\n    body: 3\n    answer: 4\n"
    assert path.read_text() == TWO.replace("  # the end\n", new + "  # the end\n")


def test_a_case_of_the_same_name_is_replaced_and_all_else_stays(path):
    path.write_text(TWO)
    put_case(path, Case(name="second", body=3, answer=4))
    kept, _, _ = TWO.partition("  - name: second")
    assert path.read_text() == kept + "  - name: second\n    path: /\n    body: 3\n    answer: 4\n  # the end\n"
    put_case(path, Case(name="first", body=[1]))
    assert path.read_text() == text_of("""
        # What the model must always get right.
        graph: app.py:graph

        cases:
          # the usual
          - name: first
            path: /
            body: [1]

          - name: second
            path: /
            body: 3
            answer: 4
          # the end
        """)


@pytest.mark.parametrize(
    "text",
    [
        "cases: [{name: a, body: 1}, {name: b}]\n",
        "cases:\n- {name: a, body: 1}\n- {name: b}\n",
        "- name: a\n- name: b",
        "cases:\n\n\n-   name: a\n    body:\n        - 1\n        -\n            x: 2\n-   name: b\n    body: ''\n",
        "cases:\n- body: |\n    two\n    lines\n\n  name: a\n- name: b\n  body: >-\n    folded\n    text\n\n\n# end",
        'cases:\n- name: \'a\'\n  body: "two\n    lines"\n- "name": "b"\n',
        "cases: []\n",
        "graph: x\n",
        "cases:\n- name: b\n  body: {x: [1,\n    2]}\n",
    ],
)
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_however_a_file_is_written_the_other_cases_are_kept(path, text, name):
    path.write_text(text)
    before = CaseFile.load(path)
    new = Case(name=name, body={"new": [1, "two\nlines"]}, answer=[[1], [2]])
    put_case(path, new)
    after = CaseFile.load(path)
    assert after[name] == new
    assert [case for case in after if case.name != name] == [case for case in before if case.name != name]
    assert after.graph == before.graph


def test_a_case_that_cannot_be_written_leaves_the_file_alone(path):
    path.write_text(TWO)
    with pytest.raises(CaseError, match="case 'second': body is of type object"):
        put_case(path, Case(name="second", body=object()))
    assert path.read_text() == TWO
    assert [each.name for each in path.parent.iterdir()] == ["cases.yaml"]


def test_a_broken_file_is_left_alone(path):
    path.write_text("cases: [")
    with pytest.raises(CaseError, match="not YAML"):
        put_case(path, Case(name="a"))
    assert path.read_text() == "cases: ["


def test_arrays_are_kept_in_files(path):
    put_case(path, Case(name="a", body=np.array([[1.5, 2.5]])))
    put_case(path, Case(name="b", body=1))
    np.testing.assert_array_equal(CaseFile.load(path)["a"].body, np.array([[1.5, 2.5]]))
