"""What an app's graph names beside code: files, streams, secrets and services, within the bounds of its settings."""

from __future__ import annotations

import sys
import textwrap
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import yaml

import graphkit
from graphkit import SpecError, TrustError, load_app
from graphkit.server.target import open_target

STEPS = """
    from pathlib import Path
    from graphkit import V2ModelServer

    class Reads:
        def __init__(self, name, context, graph_step, **given):
            self.given = given
        def do(self, x):
            return self.given

    class Model(V2ModelServer):
        def load(self):
            self.file, self.extra = self.get_model(".json")
        def predict(self, request):
            return [Path(self.file).read_text(), *(item.get("utf-8") for item in self.extra.values())]

    def secret(x, context):
        return context.get_secret(x)
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Write an app; the working directory is another folder."""
    path, modules = [*sys.path], set(sys.modules)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def write(steps, settings=None, **server):
        place = tmp_path / "app"
        place.mkdir(exist_ok=True)
        (place / "steps.py").write_text(textwrap.dedent(STEPS))
        (place / "settings.yaml").write_text(yaml.safe_dump({"app": {"modules": ["steps"], **(settings or {})}}))
        (place / "graph.yaml").write_text(yaml.safe_dump({**server, "graph": {"steps": steps}}))
        return place

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "steps":
            del sys.modules[name]


def reads(**args):
    return {"a": {"class_name": "Reads", "class_args": args, "responder": True}}


def model(path):
    routes = {"m": {"class_name": "Model", "class_args": {"model_path": path}}}
    return {"r": {"kind": "router", "responder": True, "routes": routes}}


def secrets():
    return {"a": {"handler": "secret", "responder": True}}


def queue(path):
    return {"q": {"kind": "queue", "path": path}}


def refused(folder):
    with pytest.raises(TrustError) as caught:
        load_app(folder)
    return caught.value.problems


# ---- files --------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path):
    """A file beside the app, and a link to it in the app."""
    file = tmp_path / "outside.txt"
    file.write_text("private")
    (tmp_path / "app" / "deep").mkdir(parents=True)
    (tmp_path / "app" / "link.txt").symlink_to(file)
    (tmp_path / "app" / "folder").symlink_to(tmp_path)
    (tmp_path / "app" / "inside.txt").write_text("own")
    (tmp_path / "app" / "deep" / "link").symlink_to(tmp_path / "here")
    return file


FORMS = [
    "../outside.txt",
    "deep/../../outside.txt",
    "deep/link/../outside.txt",
    "link.txt",
    "folder/outside.txt",
    "{outside}",
    "file://{outside}",
    "FILE://{outside}",
    " file://{outside}",
    "file:{outside}",
    "file:../outside.txt",
    "file://../outside.txt",
    "file://localhost{outside}",
    "file://LOCALHOST{outside}",
    "file://127.0.0.1{outside}",
    "file://%2e%2e/outside.txt",
    "file://deep/%2E%2E/..%2Foutside.txt",
    "file:///proc/self/root{outside}",
    "file://link.txt",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ["words_file", "model_path"])
def test_a_file_out_of_the_app_is_refused_however_it_is_written(app, outside, form, key):
    text = form.format(outside=outside)
    [problem] = refused(app(reads(**{key: text})))
    assert problem.startswith(f"step 'a': {key}: ")
    assert "is outside of the app" in problem
    assert "to app.outside in settings.yaml" in problem
    assert load_app(app(reads(**{key: text}), {"outside": ["..", "/proc"]})).test(body=1)[key]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "link.txt" and form != "folder/outside.txt"])
def test_so_it_is_under_any_other_name_and_deep_within(app, outside, form):
    # an own name for it says nothing, so that the file must be there, as it is here
    text = form.format(outside=outside)
    [problem] = refused(app(reads(config={"sources": [{"first": text}]})))
    assert problem.startswith("step 'a': first: ")
    [problem] = refused(app(secrets(), parameters={"anything": [text]}))
    assert problem.startswith("parameters: anything: ")


def test_the_message_names_the_step_what_was_found_what_is_allowed_and_the_line_that_would_allow_it(app, outside):
    folder = app({"f": {"kind": "flow", "steps": reads(words_file="link.txt")}}, {"outside": ["/srv/words"]})
    assert refused(folder) == (
        f"step 'f/a': words_file: 'link.txt' is outside of the app {str(folder)!r}, and of what else it may read "
        f"('/srv/words'): copy it into the app, or add {str(outside)!r} to app.outside in settings.yaml",
    )


def test_files_of_the_app_get_their_places_wherever_it_is_loaded(app, outside):
    folder = app(
        reads(words_file="inside.txt", b_file="file://inside.txt", c_file="deep/../inside.txt", d="inside.txt")
    )
    assert load_app(folder).test(body=1) == {
        "words_file": str(folder / "inside.txt"),
        "b_file": f"file://{folder}/inside.txt",
        "c_file": str(folder / "inside.txt"),
        "d": "inside.txt",
    }


def test_names_that_are_no_files_are_left_alone(app):
    args = {"vocab_file": "bert-base", "url_path": "/v2/x", "prefix": "/", "dots": "..", "pattern": "a/../b", "n": 1}
    assert load_app(app(reads(**args))).test(body=1) == args


def test_a_file_of_the_working_directory_is_none_of_the_apps(app, tmp_path):
    (tmp_path / "here" / "words.txt").write_text("x")
    [problem] = refused(app(reads(words_file="words.txt")))
    assert problem.startswith(f"step 'a': words_file: '{tmp_path}/here/words.txt' is outside of the app")


def test_a_home_is_outside(app, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("x")
    for key in ("words_file", "words"):
        [problem] = refused(app(reads(**{key: "~/key"})))
        assert f"add '{tmp_path}/key' to app.outside" in problem


def test_the_settings_themselves_are_not_the_graphs_to_read(app):
    for text in ("settings.yaml", "file://settings.yaml", "./settings.yaml"):
        [problem] = refused(app(reads(words_file=text)))
        assert "is the app's settings" in problem


@pytest.mark.parametrize("text", ["a\0b", "x" * 5000])
def test_what_can_be_no_path_is_told(app, text):
    [problem] = refused(app(reads(words_file=text)))
    assert "is no path" in problem


def test_a_graph_that_hides_something_deep_within_is_told(app):
    deep = "/etc/hostname"
    for _ in range(150):
        deep = [deep]
    folder = app(reads(x=deep))
    with pytest.raises(SpecError, match="nested too deeply"):
        load_app(folder)


def test_listed_folders_count_from_the_app(app, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("x")
    folder = app(reads(words_file="../data/a.txt"), {"outside": ["../data"]})
    assert load_app(folder).test(body=1) == {"words_file": str(tmp_path / "data" / "a.txt")}


# ---- models -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra", ["../../outside.txt", "{outside}", "file://{outside}", "file://%2e%2e/%2e%2e/outside.txt"]
)
def test_extra_data_out_of_a_models_folder_is_refused_when_the_app_is_loaded(app, outside, extra):
    folder = app(model("m"))
    (folder / "m").mkdir()
    (folder / "m" / "a.json").write_text("1")
    spec = {"model_file": "a.json", "extra_data": {"words": extra.format(outside=outside)}}
    (folder / "m" / "model_spec.yaml").write_text(yaml.safe_dump(spec))
    [problem] = refused(folder)
    assert problem.startswith("step 'r/m': model_path: ")
    assert "extra_data['words'] is" in problem
    assert "no setting allows that" in problem


@pytest.mark.parametrize("name", ["extra.json", "a.json", "folder"])
def test_a_link_in_a_models_folder_must_not_lead_out_of_the_app(app, outside, tmp_path, name):
    folder = app(model("m"))
    (folder / "m").mkdir()
    (folder / "m" / "a.json").write_text("1")
    (folder / "m" / name).unlink(missing_ok=True)
    (folder / "m" / name).symlink_to(tmp_path if name == "folder" else outside)
    [problem] = refused(folder)
    assert problem.startswith(f"step 'r/m': model_path: '{folder}/m/{name}' is outside of the app")


def test_a_link_to_another_file_of_the_app_may_be_followed(app, outside):
    folder = app(model("file://m"))
    (folder / "m").mkdir()
    (folder / "m" / "a.json").write_text("1")
    (folder / "m" / "b.txt").symlink_to(folder / "inside.txt")
    assert load_app(folder).test("m/infer", {"inputs": [1]})["outputs"] == ["1", "own"]


# ---- streams ------------------------------------------------------------------------------------------------

STREAMS = [
    "file:///{outside}/events.db",
    "file://../events.db",
    "file://deep/../../events.db?stream=x",
    "file://%2e%2e/events.db",
    "file://%2E%2E%2Fevents.db",
    "FILE://../events.db",
    "file://folder/events.db",
    "file://deep/link/../events.db",
    "file:events.db",
    "file:/tmp/events.db",
    "redis://host/clicks",
    "kafka://host/clicks",
]


@pytest.mark.parametrize("form", STREAMS)
def test_streams_out_of_the_app_are_refused_wherever_they_are_named(app, outside, tmp_path, form):
    url = form.format(outside=str(tmp_path)[1:])
    problems = refused(
        app(
            {**queue(url), **secrets()},
            error_stream=url,
            parameters={"log_stream": url, "stream_args": {"stream": "x"}},
        )
    )
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["step 'q'", "path"],
        ["error_stream", problems[1].split(": ")[1]],
        ["parameters", "log_stream"],
    ]
    assert not list(tmp_path.rglob("events.db*"))


def test_the_message_says_which_streams_would_be_allowed(app, tmp_path):
    [problem] = refused(app(queue("file://../events.db?stream=x"), {"allow_streams": ["redis://host/clicks"]}))
    assert problem == (
        f"step 'q': path: the stream 'file://../events.db' is in a file outside of the app {str(tmp_path / 'app')!r}, "
        f"and of what else it may write to ('redis://host/clicks'): to allow it, add 'file://{tmp_path}/events.db' to "
        f"app.allow_streams in settings.yaml"
    )
    [problem] = refused(app(queue("redis://me:pw@host/clicks?x=1")))
    assert problem == (
        "step 'q': path: the stream 'redis://***@host/clicks' is not below what is listed (none): to allow it, add "
        "'redis://host/clicks' to app.allow_streams in settings.yaml"
    )


def test_the_project_in_the_address_of_a_log_counts(app, tmp_path):
    folder = app(secrets(), function_uri="../name", parameters={"log_stream": "file://{project}/log.db"})
    [problem] = refused(folder)
    assert problem.startswith("parameters: log_stream: the stream 'file://../log.db' is in a file outside of the app")


@pytest.mark.parametrize("entry", ["file:///{tmp}/data", "file:///{tmp}/data/events.db", "file://../data"])
def test_listed_streams_may_be_named(app, tmp_path, entry):
    (tmp_path / "data").mkdir()
    url = f"file://{tmp_path}/data/events.db?stream=x"
    server = load_app(app(queue(url), {"allow_streams": [entry.format(tmp=str(tmp_path)[1:])]}, error_stream=url))
    server.test(body={"x": 1})
    server.wait_for_completion()
    assert (tmp_path / "data" / "events.db").exists()


def test_streams_in_memory_and_in_files_of_the_app_may_be_named(app, tmp_path):
    folder = app(
        {**queue("file://events.db"), "m": {"kind": "queue", "path": "memory://here"}},
        error_stream="file://%65rrors.db?stream=x",
        parameters={"log_stream": "file://{project}/log.db"},
        function_uri="logs/name",
    )
    (folder / "logs").mkdir()
    server = load_app(folder)
    server.test(body={"x": 1})
    server.wait_for_completion()
    assert [(folder / name).exists() for name in ("events.db", "errors.db", "logs/log.db")] == [True, True, True]
    assert list((tmp_path / "here").iterdir()) == []
    server.set_error_stream(None)


def test_queues_that_are_added_later_keep_to_the_bounds(app):
    server = load_app(app(secrets()))
    server.graph["a"].responder = None
    server.graph["a"].to(">>", "q", path="file://../events.db")
    with pytest.raises(graphkit.StepError, match="is in a file outside of the app"):
        server.test(body="x")


# ---- secrets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "dotenv"])
@pytest.mark.parametrize(
    "form", ["../outside.txt", "link.txt", "{outside}", "folder/outside.txt", "deep/../../outside.txt"]
)
def test_files_of_secrets_out_of_the_app_are_refused(app, outside, kind, form):
    source = {"kind": kind, "source": form.format(outside=outside)}
    [problem] = refused(app(secrets(), secret_sources=[source]))
    assert problem.startswith("secret_sources[0]: ")
    assert f"add {str(outside)!r} to app.outside in settings.yaml" in problem
    outside.write_text("A=1\n")
    allowed = load_app(app(secrets(), {"outside": [str(outside)]}, secret_sources=[source]))
    assert allowed.test(body="A") == "1"


def test_files_of_secrets_in_the_app_count_from_it(app):
    folder = app(secrets(), secret_sources=[{"kind": "dotenv", "source": "keys.env"}])
    (folder / "keys.env").write_text("A='one'\n")
    assert load_app(folder).test(body="A") == "one"


@pytest.mark.parametrize("source", [["MY_KEY", "OTHER"], "MY_KEY, OTHER", ["OTHER"]])
def test_variables_of_the_environment_must_be_listed(app, monkeypatch, source):
    monkeypatch.setenv("OTHER", "one")
    sources = [{"kind": "env", "source": source}]
    problems = refused(app(secrets(), {"allow_env": ["MY_KEY"]}, secret_sources=sources))
    assert problems == (
        "secret_sources[0]: the variable 'OTHER' of the environment may not be read, but for what is listed "
        "('MY_KEY'): to allow it, add 'OTHER' to app.allow_env in settings.yaml",
    )
    assert (
        load_app(app(secrets(), {"allow_env": ["MY_KEY", "OTHER"]}, secret_sources=sources)).test(body="OTHER") == "one"
    )


def test_inline_secrets_are_the_graphs_own(app):
    source = {"kind": "inline", "source": {"A": "one"}}
    assert load_app(app(secrets(), secret_sources=[source])).test(body="A") == "one"


# ---- services -----------------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    def do_POST(self):  # the name that http.server calls
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'"{self.path}"'.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def remote(**args):
    return {"a": {"class_name": "$remote", "class_args": {"retries": 0, **args}, "responder": True}}


def test_the_address_of_a_service_must_be_listed(app, service):
    steps = remote(url=f"{service}/v1/ask", subpath="more")
    assert refused(app(steps, {"allow_urls": ["https://api.example"]})) == (
        f"step 'a': url: the URL '{service}/v1/ask' is not below what is listed ('https://api.example'): to allow it, "
        f"add '{service}/v1/ask' to app.allow_urls in settings.yaml",
    )
    for entry in (service, f"{service}/v1", f"{service}/v1/ask"):
        server = load_app(app(steps, {"allow_urls": [entry]}))
        assert server.test(body={}) == "/v1/ask/more"
        server.wait_for_completion()


def test_a_path_behind_the_address_must_not_lead_away(app, service):
    server = load_app(app(remote(url=f"{service}/v1", subpath="../admin"), {"allow_urls": [f"{service}/v1"]}))
    with pytest.raises(graphkit.StepError, match=r"'http://.*/v1/\.\./admin' is not below what is listed"):
        server.test(body={})
    server = load_app(app(remote(url=f"{service}/v1", subpath="$path"), {"allow_urls": [f"{service}/v1"]}))
    assert server.test("/ask", {}) == "/v1/ask"
    for path in ("/../admin", "/%2e%2e/admin", "/%252e%252e/admin"):
        answer = server.test(path, {}, silent=True)
        assert (answer.status_code, b"may not be called by this app" in bytes(str(answer.body), "utf-8")) == (400, True)
    server.wait_for_completion()


def test_computed_addresses_are_checked_with_each_event(app, service):
    steps = remote(url_expression="event['url']")
    [problem] = refused(app(steps))
    assert problem.startswith("step 'a': url_expression: it computes URLs, and none may be called")
    assert "to app.allow_urls in settings.yaml" in problem
    server = load_app(app(steps, {"allow_urls": [f"{service}/v1"]}))
    assert server.test(body={"url": f"{service}/v1/x"}) == "/v1/x"
    for url in (f"{service}/v2", f"{service}@evil.example/v1", "http://169.254.169.254/v1", f"{service}/v1/../v2"):
        refusal = server.test(body={"url": url}, silent=True)
        assert refusal.status_code == 400
        assert "may not be called by this app" in str(refusal.body)
        assert "allow_urls" not in str(refusal.body)
    server.wait_for_completion()


def test_names_of_services_lead_to_listed_addresses_only(app, service):
    steps = remote(url="other")
    [problem] = refused(app(steps, parameters={"endpoints": {"other": f"{service}/v1"}}))
    assert problem.startswith(f"parameters: other: the URL '{service}/v1' is not below what is listed (none)")
    server = load_app(app(steps, {"allow_urls": [service]}, parameters={"endpoints": {"other": f"{service}/v1"}}))
    assert server.test(body={}) == "/v1"
    server.wait_for_completion()


@pytest.mark.parametrize("text", ["https://a.example/x", "s3://bucket/m", "postgresql://me:pw@host/db", "a::file:///b"])
def test_addresses_in_arguments_of_own_classes_must_be_listed_too(app, text):
    [problem] = refused(app(reads(source=text)))
    entry = problem.split("add '")[1].split("'")[0]
    assert "pw" not in problem
    assert load_app(app(reads(source=text), {"allow_urls": [entry]})).test(body=1) == {"source": text}


# ---- data_url -----------------------------------------------------------------------------------------------


def answering(**args):
    routes = {"m": {"class_name": "Model", "class_args": {"model_path": "m.json"}}}
    return {"r": {"kind": "router", "class_args": args, "responder": True, "routes": routes}}


@pytest.mark.parametrize(
    "form", ["/", "..", "../outside.txt", "file://{outside}", "{outside}", "folder", "file:/", ["data", "/"]]
)
def test_requests_may_read_from_places_of_the_app_only(app, outside, form):
    text = [form] if isinstance(form, str) else form
    given = [each.format(outside=outside) for each in text]
    for prefixes in [given, given[0]] if len(given) == 1 else [given]:
        for folder in (
            app(answering(allowed_data_urls=prefixes)),
            app(answering(), parameters={"allowed_data_urls": prefixes}),
        ):
            [problem] = refused(folder)
            assert "allowed_data_urls: " in problem
            assert "is outside of the app" in problem


@pytest.mark.parametrize("text", [".", "", "settings.yaml", "deep/.."])
def test_requests_may_not_read_the_settings(app, outside, text):
    [problem] = refused(app(answering(allowed_data_urls=[text])))
    assert "settings" in problem


def test_requests_read_from_a_folder_of_the_app(app, outside, tmp_path):
    folder = app(answering(allowed_data_urls=["deep", "https://a.example/x"]), {"allow_urls": ["https://a.example"]})
    (folder / "m.json").write_text("1")
    (folder / "deep" / "a.bin").write_text("x")
    server = load_app(folder)
    assert server.test("m/infer", {"data_url": str(folder / "deep" / "a.bin")})["outputs"] == ["1"]
    for path in (outside, folder / "deep" / "link" / ".." / "outside.txt", folder / "settings.yaml"):
        assert server.test("m/infer", {"data_url": str(path)}, silent=True).status_code == 400
    [problem] = refused(app(answering(allowed_data_urls=["https://a.example/x"])))
    assert "to app.allow_urls in settings.yaml" in problem


def test_everything_is_told_at_once(app, outside):
    steps = {**queue("redis://h/x"), **reads(a_file="../outside.txt", b="https://x.example")}
    problems = refused(
        app(
            steps,
            error_stream="file:///e.db",
            secret_sources=[{"kind": "env", "source": ["A", "B"]}, {"kind": "file", "source": "/s"}],
        )
    )
    assert len(problems) == 7


def test_the_spec_of_an_app_is_opened_within_its_bounds(app, tmp_path):
    folder = app(reads(words_file="/etc/hostname"), kind="server")
    with pytest.raises(graphkit.GraphError, match="is outside of the app"):
        open_target(folder / "graph.yaml")
    # what is only the server's says nothing of the graph
    (folder / "settings.yaml").write_text("server: {port: 80}")
    with pytest.raises(graphkit.GraphError, match="'Reads' is not defined"):
        open_target(folder / "graph.yaml").server.init()


def test_a_graph_of_a_program_has_no_such_bounds(tmp_path, monkeypatch):
    monkeypatch.setenv("OTHER", "one")
    graph = graphkit.new_flow()
    graph.to(lambda x, context: context.get_secret("OTHER"), name="a").respond()
    graph["a"].error_handler(name="e", handler="(event)")
    server = graph.to_mock_server(secret_sources=[{"kind": "env", "source": "OTHER"}])
    server.error_stream = f"file://{tmp_path}/errors.db"
    assert server.test(body=1) == "one"
    server.set_error_stream(None)
