"""Model files go along, or stay where they are; and what they need is among the requirements."""

from __future__ import annotations

import shutil
from importlib.metadata import version

import pytest
import yaml

from graphkit import ExportError, ModelNotReady, load_app

START = "import graphkit\ngraph = graphkit.new_flow()\nserver = graph.to_mock_server()"
TRAIN = """
from pathlib import Path
from sklearn.linear_model import LinearRegression
trained = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
Path("out").mkdir(exist_ok=True)
"""
JOBLIB = """
import joblib
joblib.dump(trained, "out/line.joblib")
class Line(graphkit.V2ModelServer):
    def load(self):
        self.model = joblib.load(self.get_model()[0])
    def predict(self, request):
        return [round(float(y), 6) for y in self.model.predict(request["inputs"])]
"""
SKOPS = """
import skops.io
skops.io.dump(trained, "out/line.skops")
class Line(graphkit.V2ModelServer):
    def load(self):
        self.model = skops.io.load(self.get_model()[0])
    def predict(self, request):
        return [round(float(y), 6) for y in self.model.predict(request["inputs"])]
"""
GRAPH = "graph.to('*', name='r').respond().add_route('line', class_name=Line, model_path={path})"
ASK = "server.test('line/infer', {'inputs': [[4.0]]})['outputs']"
REQUEST = ("line/infer", {"inputs": [[4.0]]})


def settings(notebook):
    return yaml.safe_load((notebook.app / "settings.yaml").read_text())["app"]


def model_path(notebook):
    graph = yaml.safe_load((notebook.app / "graph.yaml").read_text())["graph"]
    return graph["steps"]["r"]["routes"]["line"]["class_args"]["model_path"]


def test_a_pickled_model_is_copied_with_its_hash_and_its_package_is_required(ran, ask):
    notebook = ran(START, TRAIN, JOBLIB, GRAPH.format(path="'out/line.joblib'"), ASK)
    done = notebook.export(allow_pickle=True)
    assert done.checked == 1
    assert set(done.requirements) == {f"joblib=={version('joblib')}", f"scikit-learn=={version('scikit-learn')}"}
    assert model_path(notebook) == "models/line.joblib"
    assert list(settings(notebook)["allow_pickle"]) == ["models/line.joblib"]
    shutil.rmtree(notebook.app.parent / "out")
    moved = notebook.app.rename(notebook.app.parent / "elsewhere")
    assert ask(moved, REQUEST)[0]["outputs"] == [9.0]


def test_a_pickle_that_was_exchanged_is_refused(ran):
    notebook = ran(START, TRAIN, JOBLIB, GRAPH.format(path="'out/line.joblib'"))
    notebook.export(allow_pickle=True)
    file = notebook.app / "models" / "line.joblib"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="is not the one that"):
        load_app(notebook.app)


def test_a_model_that_holds_no_code_needs_no_permission(ran):
    notebook = ran(START, TRAIN, SKOPS, GRAPH.format(path="Path('out') / 'line.skops'"), ASK)
    done = notebook.export()
    assert done.checked == 1
    assert "allow_pickle" not in settings(notebook)
    assert any(line.startswith("skops==") for line in done.requirements)


def test_a_referenced_model_stays_where_it_is(ran, ask):
    notebook = ran(START, TRAIN, SKOPS, GRAPH.format(path="'out/line.skops'"), ASK)
    assert notebook.export(artifacts="reference").checked == 1
    place = str(notebook.app.parent / "out" / "line.skops")
    assert model_path(notebook) == place
    assert settings(notebook)["outside"] == [place]
    assert not (notebook.app / "models").exists()
    assert ask(notebook.app, REQUEST)[0]["outputs"] == [9.0]


def test_a_folder_of_a_model_goes_along_whole(ran):
    notebook = ran(
        START,
        "from pathlib import Path\nPath('m/sub').mkdir(parents=True)\n_ = Path('m/a.json').write_text('2')\n"
        "_ = Path('m/sub/b.txt').write_text('3')\n_ = Path('m/.hidden').write_text('x')",
        "class M(graphkit.V2ModelServer):\n    def load(self):\n        file, extra = self.get_model('.json')\n"
        "        self.k = int(Path(file).read_text()) * int((Path(self.model_path) / 'sub' / 'b.txt').read_text())\n"
        "    def predict(self, request): return [self.k]",
        "graph.to('*', name='r').respond().add_route('line', class_name=M, model_path='m')",
        "server.test('line/infer', {'inputs': [1]})",
    )
    assert notebook.export().checked == 1
    found = sorted(str(p.relative_to(notebook.app)) for p in (notebook.app / "models").rglob("*") if p.is_file())
    assert found == ["models/m/a.json", "models/m/sub/b.txt"]


def test_models_of_one_name_are_kept_apart(ran, ask):
    notebook = ran(
        START,
        "from pathlib import Path\nfor n in '12':\n    Path(n).mkdir()\n    _ = Path(n, 'm.json').write_text(n)",
        "class M(graphkit.V2ModelServer):\n    def load(self): self.k = int(Path(self.get_model()[0]).read_text())\n"
        "    def predict(self, request): return [self.k]",
        "r = graph.to('*', name='r').respond()\nr.add_route('a', class_name=M, model_path='1/m.json')\n"
        "r.add_route('b', class_name=M, model_path='2/m.json')\nr.add_route('c', class_name=M, model_path='1/m.json')",
    )
    notebook.export(verify=False)
    assert sorted(settings(notebook)["artifacts"]) == ["models/2/m.json", "models/m.json"]
    answers = ask(notebook.app, *((f"{name}/infer", {"inputs": [1]}) for name in "abc"))
    assert [answer["outputs"] for answer in answers] == [[1], [2], [1]]


def test_data_files_of_steps_and_parameters_go_along(ran):
    notebook = ran(
        "from pathlib import Path\nimport graphkit",
        "_ = Path('words.txt').write_text('a b'), Path('p.txt').write_text('c')",
        "class Words:\n    def __init__(self, words_file, mode): self.words = Path(words_file).read_text().split()\n"
        "    def do(self, x): return x in self.words",
        "def own(x, context): return [x, Path(context.get_param('own_file')).read_text()]",
        "graph = graphkit.new_flow()\ngraph.to(Words, words_file='words.txt', mode='words.txt').to(own).respond()\n"
        "server = graph.to_mock_server(parameters={'own_file': 'p.txt', 'other': 'p.txt'})\nserver.test(body='b')",
    )
    assert notebook.export().checked == 1
    spec = yaml.safe_load((notebook.app / "graph.yaml").read_text())
    assert spec["parameters"] == {"own_file": "models/p.txt", "other": "p.txt"}
    assert spec["graph"]["steps"]["Words"]["class_args"] == {"words_file": "models/words.txt", "mode": "words.txt"}


def test_paths_of_other_stores_stay_as_they_are(ran):
    notebook = ran(
        START,
        "class M(graphkit.V2ModelServer):\n    def load(self): ...\n"
        "    def predict(self, request): return [self.model_path]",
        "r = graph.to('*', name='r').respond()\nr.add_route('line', class_name=M, model_path='s3://bucket/model')",
        "server.test('line/infer', {'inputs': [1]})",
    )
    assert notebook.export().checked == 1
    assert model_path(notebook) == "s3://bucket/model"


def test_a_model_that_cannot_be_loaded_there_is_an_error(ran):
    notebook = ran(
        START,
        "class M(graphkit.V2ModelServer):\n    def load(self): self.k = open('nowhere.txt').read()\n"
        "    def predict(self, request): return [1]",
        "graph.to('*', name='r').respond().add_route('line', class_name=M)",
    )
    notebook.namespace["server"].test("line/infer", {"inputs": [1]}, silent=True)
    done = notebook.export()
    assert done.checked == 1  # it failed here, and fails there in the same way
    with pytest.raises(ModelNotReady):
        load_app(notebook.app).test("line/infer", {"inputs": [1]})


def test_an_app_can_be_exported_again_from_its_folder(ran, ask, tmp_path):
    notebook = ran(START, TRAIN, SKOPS, GRAPH.format(path="'out/line.skops'"), ASK)
    notebook.export()
    server = load_app(notebook.app)
    assert server.test(*REQUEST)["outputs"] == [9.0]
    again = tmp_path / "again"
    assert server.export(again).checked == 1
    assert ask(again, REQUEST)[0]["outputs"] == [9.0]
    with pytest.raises(ExportError, match="is not empty"):
        server.export(again)
