"""Nasty notebooks: what the graph needs is found, the rest is left out, and a fresh process answers the same."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

START = "import graphkit\ngraph = graphkit.new_flow()\nserver = graph.to_mock_server()"


def read(text):
    """Return the notebooks of a Markdown text: title -> cells and requests."""
    found = {}
    for title, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        cells = [block.removesuffix("\n") for kind, block in blocks if kind == "cell"]
        [requests] = [json.loads(block) for kind, block in blocks if kind == "json"]
        found[title] = cells, requests
    return found


NASTY = read(Path(__file__).with_name("nasty_notebooks.md").read_text("utf-8"))


def without_time(answers):
    return [
        {key: value for key, value in answer.items() if key != "timestamp"} if isinstance(answer, dict) else answer
        for answer in json.loads(json.dumps(answers))
    ]


@pytest.mark.parametrize("name", NASTY)
def test_a_fresh_process_answers_as_the_notebook_did(name, ran, ask):
    cells, requests = NASTY[name]
    begin = 1 if "__future__" in cells[0] else 0
    notebook = ran(*cells[:begin], START, *cells[begin:])
    notebook.export(verify=False)
    fresh = ask(notebook.app, *requests)
    here = [notebook.namespace["server"].test(*request) for request in requests]
    assert without_time(fresh) == without_time(here)
    text = notebook.steps
    assert "get_ipython" not in text
    assert "new_flow" not in text
    assert "arange(3000" not in text  # large tables are not made anew to know a few numbers of them
    ast.parse(text)
