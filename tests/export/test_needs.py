"""What a graph names beside code goes into the settings, so that the exported app goes on working."""

from __future__ import annotations

import pytest
import yaml

from graphkit import load_app
from graphkit.export.named import written_beginning

START = "import graphkit\nfrom pathlib import Path\ngraph = graphkit.new_flow()"
ECHO = (
    "class Reads:\n    def __init__(self, name, context, graph_step, **given): self.given = given\n"
    "    def do(self, x): return self.given"
)


def settings(notebook):
    return yaml.safe_load((notebook.app / "settings.yaml").read_text())["app"]


def spec(notebook):
    return yaml.safe_load((notebook.app / "graph.yaml").read_text())


def test_variables_of_the_environment_are_listed(ran, monkeypatch):
    monkeypatch.setenv("MY_KEY", "one")
    notebook = ran(
        START,
        "def f(x, context): return len(context.get_secret(x))\ngraph.to(f).respond()",
        "server = graph.to_mock_server(secret_sources=[{'kind': 'env', 'source': ['MY_KEY', 'OTHER']}])",
        "server.test(body='MY_KEY')",
    )
    assert notebook.export().checked == 1
    assert settings(notebook)["allow_env"] == ["MY_KEY", "OTHER"]
    assert "where they must be set: `MY_KEY`, `OTHER`" in (notebook.app / "README.md").read_text()


def test_files_of_secrets_stay_where_they_are_and_are_listed(ran):
    notebook = ran(
        START,
        "_ = Path('keys.env').write_text('A=one')",
        "def f(x, context): return len(context.get_secret(x))\ngraph.to(f).respond()",
        "server = graph.to_mock_server(secret_sources=[{'kind': 'dotenv', 'source': 'keys.env'}])",
        "server.test(body='A')",
    )
    assert notebook.export().checked == 1
    place = str(notebook.path.parent / "keys.env")
    assert settings(notebook)["outside"] == [place]
    assert spec(notebook)["secret_sources"] == [{"kind": "dotenv", "source": place}]
    assert not list(notebook.app.rglob("keys.env"))


def test_streams_elsewhere_are_listed_and_those_of_the_app_leave_nothing_behind(ran, tmp_path):
    notebook = ran(
        START,
        f"LOG = 'file://{tmp_path}/log.db?stream=x'",
        "graph.to(name='a', handler='(event)').to('>>', 'q', path='file://q.db')",
        "graph.to('>>', 'r', path='file://../r.db')\ngraph.to('>>', 'm', path='memory://m')",
        "server = graphkit.GraphServer(graph, {'log_stream': LOG}, error_stream='file://errors.db')\nserver.test(body=1)",
    )
    done = notebook.export()
    assert done.checked == 1
    assert settings(notebook)["allow_streams"] == [f"file://{tmp_path}/r.db", f"file://{tmp_path}/log.db"]
    assert spec(notebook)["graph"]["steps"]["r"]["path"] == f"file://{tmp_path}/r.db"
    assert not [name for name in done.files if ".db" in name]
    server = load_app(notebook.app)
    server.test(body=1)
    server.wait_for_completion()
    assert (notebook.app / "q.db").exists()
    server.set_error_stream(None)


def test_streams_of_other_systems_are_listed_without_passwords(ran):
    notebook = ran(
        START,
        "q = graph.to(name='a', handler='(event)').to('>>', 'q', path='kafka://me:pw@host:9092/clicks?x=1')",
        "q.to(name='b', handler='(event)', function='child').respond()\nserver = graph.to_mock_server()",
        "server.test(body=1)",
    )
    assert notebook.export().checked == 1
    assert settings(notebook)["allow_streams"] == ["kafka://host:9092/clicks"]


def test_addresses_of_services_are_listed(ran):
    notebook = ran(
        START,
        ECHO,
        "graph.to('$remote', 'a', url='https://me:pw@a.example/v1?key=1').to(Reads, 'c', source='s3://bucket/x').respond()",
        "server = graph.to_mock_server(parameters={'endpoints': {'b': 'http://b.example:81'}, 'log_level': 'info'})",
    )
    done = notebook.export()
    assert settings(notebook)["allow_urls"] == ["https://a.example/v1", "s3://bucket/x", "http://b.example:81"]
    assert done.notes == ()


def test_addresses_that_are_computed_are_listed_as_far_as_they_are_known(ran):
    notebook = ran(
        START,
        "a = graph.to('$remote', 'a', url_expression=\"'https://a.example/users/u' + event['id']\")",
        "a.to('BatchHttpRequests', 'b', url_expression=\"event['url']\").respond()\nserver = graph.to_mock_server()",
    )
    done = notebook.export()
    assert settings(notebook)["allow_urls"] == ["https://a.example/users/", "http://", "https://"]
    [note] = done.notes
    assert note.startswith("step 'b': url_expression: it computes whole URLs, so that app.allow_urls")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("'https://a/' + x + 'y'", "https://a/"),
        ("f'https://a/{x}'", "https://a/"),
        ("('https://a/')", "https://a/"),
        ("x + 'https://a/'", ""),
        ("'https://a/' if x else y", ""),
        ("1 + 2", ""),
        ("not python", ""),
    ],
)
def test_what_an_expression_begins_with(expression, text):
    assert written_beginning(expression) == text


def test_files_under_any_name_are_listed_where_they_do_not_go_along(ran, tmp_path):
    for name in ("one.txt", "two.txt", "three.txt"):
        (tmp_path / name).write_text("x")
    notebook = ran(
        START,
        ECHO,
        f"here = {str(tmp_path)!r}",
        "graph.to(Reads, source=f'{here}/one.txt', words_file='../two.txt', deep=[{'a_file': '../three.txt'}], "
        "url_path='/v2/x', sep='..').respond()\nserver = graph.to_mock_server()",
    )
    notebook.export()
    notebook_folder = tmp_path / "work"
    assert settings(notebook)["outside"] == [f"{tmp_path}/one.txt", f"{notebook_folder}/../three.txt"]
    given = load_app(notebook.app).test(body=1)
    assert given == {
        "source": f"{tmp_path}/one.txt",
        "words_file": str(notebook.app / "models" / "two.txt"),
        "deep": [{"a_file": f"{notebook_folder}/../three.txt"}],
        "url_path": "/v2/x",
        "sep": "..",
    }


def test_places_that_requests_may_read_from_are_listed(ran, ask):
    notebook = ran(
        START,
        "Path('images').mkdir()\n_ = Path('images/a.bin').write_bytes(b'abc')",
        "class M(graphkit.V2ModelServer):\n    def load(self): ...\n"
        "    def predict(self, request): return [len(request['inputs'][0].read())]",
        "r = graph.to('*', name='r', allowed_data_urls=['images', 'https://a.example']).respond()",
        "r.add_route('m', class_name=M)",
        "server = graph.to_mock_server()\nFILE = str(Path('images/a.bin').absolute())",
        "server.test('m/infer', {'data_url': FILE})",
    )
    assert notebook.export().checked == 1
    folder = notebook.path.parent / "images"
    assert settings(notebook)["outside"] == [str(folder)]
    assert settings(notebook)["allow_urls"] == ["https://a.example"]
    assert ask(notebook.app, ("m/infer", {"data_url": str(folder / "a.bin")}))[0]["outputs"] == [3]


def test_a_graph_that_names_nothing_lists_nothing(ran):
    notebook = ran(START, "graph.to(name='a', handler='(event * 2)').respond()\nserver = graph.to_mock_server()")
    notebook.export()
    assert settings(notebook) == {}
