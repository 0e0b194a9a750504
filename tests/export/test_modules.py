"""Graphs of modules and packages: their own code goes along, whatever the way it was imported."""

from __future__ import annotations

import graphkit

FILES = {
    "mine/__init__.py": "",
    "mine/lib.py": "from . import more\nBASE = 10\ndef shift(x):\n    return x + BASE + more.extra()\n",
    "mine/more.py": "import json\ndef extra():\n    return json.loads('1')\n",
    "mine/graphs.py": (
        "import graphkit\nfrom .lib import shift\nfrom . import lib as tools\nfrom .deep.inner import deepest\n\n"
        "def scale(x):\n    return [shift(x), tools.BASE, deepest()]\n\n"
        "def make():\n    graph = graphkit.new_flow()\n"
        "    graph.to(tools.shift).to(name='third', handler='mine.lib.shift').to(scale).respond()\n    return graph\n"
    ),
    "mine/deep/__init__.py": "",
    "mine/deep/inner.py": "def deepest():\n    from ..lib import BASE\n    return BASE * 2\n",
    "mine/data.txt": "kept",
}


def test_a_package_goes_along_whole_and_relative_imports_become_absolute(tmp_path, monkeypatch, ask):
    for name, text in FILES.items():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    import mine.graphs

    graph = mine.graphs.make()
    server = graph.to_mock_server(namespace=mine.graphs)
    here = server.test(body=1)
    done = server.export(tmp_path / "app")
    assert (done.checked, done.requirements, done.allowed) == (1, (), ())
    text = (tmp_path / "app" / "steps.py").read_text()
    assert "from mine.lib import shift\nfrom mine import lib as tools\nfrom mine.deep.inner import deepest" in text
    assert (tmp_path / "app" / "mine" / "data.txt").read_text() == "kept"
    assert ask(tmp_path / "app", ("/", 1)) == [here] == [[34, 10, 20]]


LIMIT = 3


def test_functions_of_functions_are_written_at_the_top_level(tmp_path, ask):
    factor = 7

    def times(x):
        """Say how often."""

        def inner(y):
            return y * factor + LIMIT

        return inner(x)

    class Local:
        def __init__(self, by=1):
            self.by = by

        def do(self, x):
            return x - self.by + LIMIT

    graph = graphkit.new_flow()
    graph.to(times).to(Local, by=2).to(lambda x: [x, factor], name="pair").respond()
    server = graph.to_mock_server()
    assert server.test(body=2) == [18, 7]
    assert graph.export(tmp_path / "app").checked == 1
    text = (tmp_path / "app" / "steps.py").read_text()
    assert "LIMIT = 3" in text
    assert "class Local:" in text
    assert "pytest" not in text
    assert ask(tmp_path / "app", ("/", 2)) == [[18, 7]]


def test_classes_of_packages_that_a_graph_names_are_allowed_by_their_names(tmp_path, ask):
    from json import dumps
    from string import Template

    graph = graphkit.new_flow()
    graph.to(dumps).to(name="base", handler="os.path.basename").respond()
    server = graph.to_mock_server()
    assert server.test(body="a/b") == 'b"'
    done = server.export(tmp_path / "app")
    assert done.allowed == ("json.dumps", "os.path.basename")
    assert ask(tmp_path / "app", ("/", "a/b")) == ['b"']
    assert Template  # a name that the graph does not use is not in the app
    assert not (tmp_path / "app" / "steps.py").exists()
