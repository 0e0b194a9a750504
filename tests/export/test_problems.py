"""What cannot be exported is told, all at once, with its cell and what to do."""

from __future__ import annotations

import pytest

from graphkit import ExportError

START = "import graphkit\ngraph = graphkit.new_flow()\nserver = graph.to_mock_server()"


def problems(notebook, **options):
    with pytest.raises(ExportError) as caught:
        notebook.export(verify=False, **options)
    assert not notebook.app.exists()
    return caught.value.problems


def test_all_problems_are_told_at_once_each_with_its_cell(ran):
    notebook = ran(
        START,
        "def one(x): return nowhere(x)",
        "def two(x): return one(x) + get_ipython().x",
        "gone = 1\ndef three(x): return gone\n",
        "graph.to(two).to(three).respond()",
        "del gone",
    )
    assert problems(notebook) == (
        "'two' in cell 3 uses 'get_ipython', which only a notebook has: leave out its commands (%magics, !shell) there",
        "'one' in cell 2 uses 'nowhere', which is not defined",
        "'three' in cell 4 uses 'gone', which is not there any more (it was defined in cell 4)",
    )


def test_the_nearest_name_is_told(ran):
    notebook = ran(START, "threshold = 1\ndef f(x): return x > treshold", "graph.to(f).respond()")
    assert problems(notebook) == ("'f' in cell 2 uses 'treshold', which is not defined, did you mean 'threshold'?",)


def test_a_model_object_is_told_with_what_to_do(ran):
    notebook = ran(
        START,
        "from sklearn.linear_model import LinearRegression\nmodel = LinearRegression().fit([[1.0], [2.0]], [1, 2])",
        "def f(x): return float(model.predict([[x]])[0])",
        "graph.to(f).respond()",
    )
    assert problems(notebook) == (
        "'f' in cell 3 uses 'model' (cell 2), which is a model object (LinearRegression) that code cannot hold: save "
        'it to a file (joblib.dump(model, "models/model.joblib"), or with skops or ONNX), give the step '
        'model_path="models/model.joblib" instead, and let the step\'s class load it: '
        "def load(self): file, _ = self.get_model(); self.model = joblib.load(file). "
        "Pickle and joblib files need allow_pickle=True when they are exported",
    )


def test_a_fitted_transformer_is_a_model_and_a_table_is_none(ran):
    notebook = ran(
        START,
        "import pandas as pd\nfrom sklearn.preprocessing import StandardScaler",
        "rates = pd.Series({'a': 1.5, 'b': 2.0})\nscaler = StandardScaler().fit([[1.0], [2.0]])",
        "def f(x): return float(rates[x])\ndef g(x): return scaler.transform([[x]]).tolist()",
        "graph.to(f).to(g).respond()",
    )
    [problem] = problems(notebook)
    assert problem.startswith("'g' in cell 4 uses 'scaler' (cell 3), which is a model object (StandardScaler)")


def test_a_model_among_class_arguments_is_told(ran):
    notebook = ran(
        START,
        "from sklearn.linear_model import LinearRegression",
        "class M(graphkit.V2ModelServer):\n    def predict(self, request): return [1]",
        "graph.to('*', name='r').respond().add_route('m', class_name=M, model=LinearRegression())",
    )
    [problem] = problems(notebook)
    assert problem.startswith(
        "step 'r/m': the argument 'model' is a value of type LinearRegression, which a spec cannot hold: save it to a "
        'file (joblib.dump(model, "models/model.joblib"), or with skops or ONNX), give the step '
        'model_path="models/model.joblib" instead, and let the step\'s class load it: '
        "def load(self): file, _ = self.get_model(); self.model = joblib.load(file)."
    )


def test_what_is_advised_of_a_model_object_works(ran):
    notebook = ran(
        START,
        "from pathlib import Path\nimport joblib\nfrom sklearn.linear_model import LinearRegression",
        "model = LinearRegression().fit([[1.0], [2.0]], [1, 2])\nPath('models').mkdir()\n"
        'joblib.dump(model, "models/model.joblib")',
        """
        class M(graphkit.V2ModelServer):
            def load(self): file, _ = self.get_model(); self.model = joblib.load(file)
            def predict(self, request): return self.model.predict(request["inputs"])
        """,
        'graph.to("*", name="r").respond().add_route("m", class_name=M, model_path="models/model.joblib")',
        "server.test('m/infer', {'inputs': [[3.0]]})",
    )
    assert notebook.export(allow_pickle=True).checked == 1


def test_a_model_that_can_be_called_is_told_as_a_model(ran):
    notebook = ran(
        START,
        "class Net:\n    def __call__(self, x): return x\n    def forward(self, x): return x",
        "class M(graphkit.V2ModelServer):\n    def predict(self, request): return [1]",
        "graph.to('*', name='r').respond().add_route('m', class_name=M, net=Net())",
    )
    [problem] = problems(notebook)
    assert 'model_path="models/net.joblib"' in problem


def test_the_graph_itself_and_open_files_are_told(ran, tmp_path):
    notebook = ran(
        START,
        f"log = open({str(tmp_path / 'log')!r}, 'w')",
        "def f(x):\n    log.write(str(server.runs))\n    return graph.name",
        "graph.to(f).respond()",
    )
    notebook.namespace["log"].close()
    assert problems(notebook) == (
        "'f' in cell 3 uses 'graph' (cell 1), which is a part of the graph itself; reach it through the context",
        "'f' in cell 3 uses 'log' (cell 2), which is an open file; open it where it is used",
        "'f' in cell 3 uses 'server' (cell 1), which is the server of the graph; reach it through the context",
    )


def test_lambdas_on_one_line_are_told_apart_by_their_code(ran):
    notebook = ran(START, "ls = [(lambda x: x + 1), (lambda y: y + 1)]\ngraph.to(ls[0], name='first').respond()")
    notebook.export(verify=False)  # their code differs in the name of an argument
    assert "def first(x):" in notebook.steps
    again = ran(START, "ls = [(lambda x: x + 1), (lambda x: x + 1)]\ngraph.to(ls[1], name='first').respond()")
    again.export(verify=False, overwrite=True)  # they are the same in all but their place
    assert "def first(x):" in again.steps


def test_the_keyword_that_replaces_an_app_is_named_as_it_is(ran):
    # the message named one that export did not have
    server = ran(START, "graph.to(name='one', handler='(event + 1)').respond()").namespace["server"]
    server.export("app", verify=False)
    with pytest.raises(ExportError, match="overwrite=True replaces an app that was exported before"):
        server.export("app", verify=False)
    assert server.export("app", verify=False, overwrite=True).folder.is_dir()


def test_a_lambda_without_source_wants_a_name(ran):
    made = "fs = [eval(compile('lambda x: x + 1', '<text>', 'eval'))]"
    notebook = ran(START, f"{made}\ngraph.to(fs[0], name='first').respond()")
    assert problems(notebook) == (
        "step 'first': the lambda cannot be written as code: its source cannot be found (it was made in '<text>')",
    )


def test_a_closure_over_what_cannot_be_written_is_told(ran):
    notebook = ran(
        START,
        "class Thing: pass\ndef make(thing):\n    def inner(x): return thing\n    return inner",
        "graph.to(make(Thing()), name='inner').respond()",
    )
    [problem] = problems(notebook)
    assert problem.startswith("step 'inner': 'inner' cannot be written as code: a value of type Thing has no name")


def test_what_is_awaited_at_the_top_level_and_no_data_is_told(ran):
    notebook = ran(
        START,
        "class Client: pass\nasync def connect(): return Client()",
        "client = await connect()",
        "def f(x): return str(client)",
        "graph.to(f).respond()",
    )
    assert problems(notebook) == (
        "'client' in cell 3 is made with 'await' at the top level, which only a notebook can do",
    )


def test_a_pickled_model_wants_permission(ran):
    notebook = ran(
        START,
        "import pathlib, pickle\npathlib.Path('m.pkl').write_bytes(pickle.dumps([1]))",
        "class M(graphkit.V2ModelServer):\n    def load(self): ...\n    def predict(self, request): return [1]",
        "graph.to('*', name='r').respond().add_route('m', class_name=M, model_path='m.pkl')",
    )
    [problem] = problems(notebook)
    assert "m.pkl' may run code when it is loaded" in problem
    assert "allow_pickle=True" in problem


def test_secrets_that_are_given_inline_are_told_and_never_written(ran):
    notebook = ran(
        "import graphkit\ngraph = graphkit.new_flow()",
        "server = graph.to_mock_server(secret_sources=[{'kind': 'inline', 'source': {'KEY': 's3cret'}}])",
        "def f(x, context): return len(context.get_secret('KEY'))\ngraph.to(f).respond()",
    )
    [problem] = problems(notebook)
    assert problem.startswith("secrets that are given inline ('KEY') are never written down: name where they come from")
    assert "s3cret" not in problem


def test_a_model_file_that_is_gone_is_told(ran, tmp_path):
    notebook = ran(
        START,
        "class M(graphkit.V2ModelServer):\n    def load(self): ...\n    def predict(self, request): return [1]",
        f"graph.to('*', name='r').respond().add_route('m', class_name=M, model_path={str(tmp_path / 'gone.onnx')!r})",
    )
    assert problems(notebook) == (
        f"step 'r/m': there is no model at '{tmp_path}/gone.onnx', so that it cannot go along",
    )


def test_a_graph_without_steps_is_told(ran):
    with pytest.raises(ValueError, match="no steps, so that there is nothing to export"):
        ran(START).export()


def test_a_namespace_without_source_is_told():
    import graphkit

    space = {"__name__": "nowhere"}
    exec("def f(x): return x", space)
    graph = graphkit.new_flow()
    graph.to(name="f", handler="f").respond()
    with pytest.raises(ExportError, match="the source of 'nowhere' cannot be found"):
        graph.to_mock_server(namespace=space).export("unused")
