"""Secrets: where they come from, and that they appear nowhere else."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from graphkit import (
    Event,
    GraphError,
    GraphServer,
    Response,
    StepError,
    V2ModelServer,
    create_graph_server,
    open_stream,
)
from graphkit.server.secrets import SecretStore

SECRET = "s3cr3t-töken\"with'quotes"
INLINE = [{"kind": "inline", "source": {"TOKEN": SECRET, "PIN": 987654}}]
Serve = Callable[..., GraphServer]


@pytest.fixture(autouse=True)
def _level() -> Any:
    """Let every level be logged, and put things back."""
    logger = logging.getLogger("graphkit")
    before = logger.level
    yield
    logger.setLevel(before)


# ---- sources ------------------------------------------------------------------------------------------------------


def test_inline_secrets_are_read(serve: Serve) -> None:
    server = serve(lambda x, context: context.get_secret(x), secret_sources=INLINE)
    assert server.test(body="TOKEN") == SECRET
    assert server.test(body="PIN") == "987654"
    assert server.test(body="OTHER") is None


@pytest.mark.parametrize("names", ["A_TOKEN, B_TOKEN", ["A_TOKEN", "B_TOKEN"], ("A_TOKEN", "B_TOKEN")])
def test_variables_are_read_if_they_are_named(monkeypatch: pytest.MonkeyPatch, names: Any) -> None:
    store = SecretStore([{"kind": "env", "source": names}])
    monkeypatch.setenv("A_TOKEN", "aaa")
    monkeypatch.setenv("C_TOKEN", "ccc")
    assert [store.get(name) for name in ("A_TOKEN", "B_TOKEN", "C_TOKEN")] == ["aaa", None, None]
    monkeypatch.setenv("B_TOKEN", "later")
    assert store.get("B_TOKEN") == "later"


def test_a_file_holds_names_and_values_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text('# a comment\nA="quoted" # kept\n\nB=x=y\nnonsense\n C = spaced\n', encoding="utf-8")
    for source in (file, str(file)):
        store = SecretStore([{"kind": "file", "source": source}])
        assert [store.get(name) for name in "ABCD"] == ['"quoted" # kept', "x=y", " spaced", None]


def test_a_dotenv_file_may_quote_export_and_comment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    lines = ["export A='one # kept'", 'B="two\\nlines" # gone', "C = three # gone", "# D=4", "E=", 'F="open', "G=a=b"]
    file.write_text("\n".join(lines), encoding="utf-8")
    store = SecretStore([{"kind": "dotenv", "source": str(file)}])
    found = {name: store.get(name) for name in "ABCDEFG"}
    assert found == {
        "A": "one # kept", "B": "two\nlines", "C": "three", "D": None, "E": "", "F": '"open', "G": "a=b",
    }  # fmt: skip


def test_a_later_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("A=file\nB=file\n", encoding="utf-8")
    sources: list[dict[str, Any]] = [
        {"kind": "file", "source": str(file)},
        {"kind": "inline", "source": {"A": "inline"}},
    ]
    store = SecretStore(sources)
    assert (store.get("A"), store.get("B")) == ("inline", "file")


def test_a_file_is_read_when_a_secret_is_asked_for(tmp_path: Path, serve: Serve) -> None:
    file = tmp_path / "secrets"
    server = serve(lambda x, context: context.get_secret(x), secret_sources=[{"kind": "file", "source": str(file)}])
    with pytest.raises(StepError, match=r"the secret file .* cannot be read: No such file or directory"):
        server.test(body="A")
    file.write_bytes(b"A=\xff\xfe")
    with pytest.raises(StepError, match="it is no UTF-8 text"):
        server.test(body="A")
    file.write_text("A=1", encoding="utf-8")
    assert server.test(body="A") == "1"


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ([{"kind": "vault", "source": "x"}], "the secret source kind 'vault' is not known"),
        ([{"kind": "inlin", "source": {}}], "did you mean 'inline'"),
        ([{"kind": "inline", "source": "TOKEN"}], "an inline secret source is a dict"),
        ([{"kind": "env", "source": None}], "an env secret source is a list of names"),
        ([{"kind": "env", "source": {"A": "b"}}], "an env secret source is a list of names"),
        ([{"kind": "file", "source": None}], "a file secret source is the path of a file"),
        ([{"kind": "dotenv", "source": ["a"]}], "a dotenv secret source is the path of a file"),
        ([{"kind": "inline"}], "a secret source is written as"),
        (["TOKEN"], "a secret source is written as"),
        ("TOKEN", "secret_sources is a list"),
        ({"kind": "inline", "source": {}}, "secret_sources is a list"),
    ],
)
def test_a_source_that_is_none_is_told(sources: Any, told: str) -> None:
    with pytest.raises(GraphError, match=told):
        GraphServer(secret_sources=sources)


def test_a_refused_source_is_not_shown() -> None:
    for sources in ([{"kind": "inline", "source": SECRET}], SECRET, [SECRET], [{"kind": "file", "source": [SECRET]}]):
        with pytest.raises(GraphError) as caught:
            GraphServer(secret_sources=sources)
        assert SECRET not in str(caught.value)


def test_sources_may_be_set_later(serve: Serve) -> None:
    server = serve(lambda x, context: context.get_secret("TOKEN"))
    assert server.test(body=1) is None
    server.secret_sources = INLINE
    assert server.test(body=1) == SECRET


# ---- forms --------------------------------------------------------------------------------------------------------


def knows_the_token(x: Any, context: Any) -> bool:
    return bool(context.get_secret("TOKEN"))


def test_a_secret_is_in_no_form_of_the_server(serve: Serve, tmp_path: Path) -> None:
    server = serve(knows_the_token, secret_sources=INLINE)
    assert server.test(body=1) is True
    server.save(tmp_path / "server.yaml")
    server.save(tmp_path / "server.json")
    shown = [
        repr(server),
        str(server),
        repr(server.context),
        repr(server.graph),
        repr(server.secret_sources),
        repr(server.to_dict()),
        server.to_json(),
        server.to_yaml(),
        (tmp_path / "server.yaml").read_text(encoding="utf-8"),
        (tmp_path / "server.json").read_text(encoding="utf-8"),
        repr(server._repr_mimebundle_()),
        repr(vars(server)["_secrets"]),
    ]
    assert_absent(*shown)


def assert_absent(*texts: str) -> None:
    """Assert that no text holds the secret, however it may be quoted."""
    core = "s3cr3t"
    assert [text for text in texts if core in text] == []


def test_inline_sources_are_written_as_names_only() -> None:
    server = GraphServer(secret_sources=INLINE)
    assert server.to_dict()["secret_sources"] == [{"kind": "inline", "source": ["PIN", "TOKEN"]}]


def test_a_spec_with_names_only_is_loaded_and_its_secrets_are_given_elsewhere(serve: Serve, tmp_path: Path) -> None:
    server = serve("step", namespace={}, secret_sources=INLINE)
    server.save(tmp_path / "server.yaml")
    loaded = GraphServer.load(tmp_path / "server.yaml")
    loaded.init(namespace={"step": lambda x, context: context.get_secret(x)})
    assert loaded.test(body="TOKEN") is None
    assert loaded.to_dict() == server.to_dict()
    loaded.secret_sources = [*loaded.secret_sources, {"kind": "inline", "source": {"TOKEN": "given"}}]
    assert loaded.test(body="TOKEN") == "given"


def test_a_name_without_a_value_hides_no_other_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from-env")
    store = SecretStore([{"kind": "env", "source": ["TOKEN"]}, {"kind": "inline", "source": ["TOKEN"]}])
    assert store.get("TOKEN") == "from-env"


@pytest.mark.parametrize("kind", ["env", "file", "dotenv"])
def test_other_sources_are_written_whole(kind: str) -> None:
    source = ["A", "B"] if kind == "env" else "secrets.txt"
    server = GraphServer(secret_sources=[{"kind": kind, "source": source}])
    assert server.to_dict()["secret_sources"] == [{"kind": kind, "source": source}]
    assert GraphServer.from_dict(server.to_dict()) == server


# ---- errors, logs, records ----------------------------------------------------------------------------------------


def leak(x: Any, context: Any) -> Any:
    """Do with a secret what careless code does."""
    token = context.get_secret("TOKEN")
    if x == "message":
        raise ValueError(f"{token} was refused")
    if x == "cause":
        try:
            raise OSError(5, f"no {token}", token)
        except OSError as exc:
            raise ValueError({"token": [token]}) from exc
    if x == "context":
        try:
            raise KeyError(token)
        except KeyError:
            raise StepError(f"bad {token}", status=422)  # noqa: B904  # the context is what is looked at
    if x == "attribute":
        refusal = RuntimeError("refused")
        refusal.response = token  # type: ignore[attr-defined]
        raise refusal
    if x == "response":
        return Response(body=f"no {token}", status_code=403)
    return token


def told(exc: BaseException) -> str:
    """Return all that a notebook would show of an exception, and what its attributes hold."""
    links: list[str] = []
    todo: list[BaseException | None] = [exc]
    while todo:
        link = todo.pop()
        if link is not None:
            links += [repr(link), repr(vars(link)), repr(link.args)]
            todo += [link.__cause__, link.__context__]
    return "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)) + "".join(links)


@pytest.mark.parametrize("kind", ["message", "cause", "context", "attribute", "response"])
def test_a_secret_is_in_no_error(serve: Serve, kind: str) -> None:
    server = serve(leak, secret_sources=INLINE)
    with pytest.raises(StepError) as caught:
        server.test(body=kind)
    assert_absent(told(caught.value), server.test(body=kind, silent=True).body if kind != "response" else "")
    if kind != "response":
        assert caught.value.__cause__ is not None
        assert_absent(server.run(Event(kind)).body)
    if kind == "message":
        assert str(caught.value) == "step 'step' failed: ValueError: *** was refused"
        assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_keeps_its_status_and_kind(serve: Serve) -> None:
    with pytest.raises(StepError, match=r"step 'step': bad \*\*\*") as caught:
        serve(leak, secret_sources=INLINE).test(body="context")
    assert caught.value.status == 422


class Stubborn(Exception):
    """An exception whose text is made of something that cannot be changed."""

    __slots__ = ("_hidden",)

    def __init__(self, token: str) -> None:
        super().__init__()
        self._hidden = token

    def __str__(self) -> str:
        return f"stubborn {self._hidden}"

    __repr__ = __str__


def test_an_exception_that_cannot_be_mended_is_replaced(serve: Serve) -> None:
    def step(x: Any, context: Any) -> Any:
        raise Stubborn(context.get_secret("TOKEN"))

    with pytest.raises(StepError) as caught:
        serve(step, secret_sources=INLINE).test(body=1)
    assert_absent(told(caught.value))
    assert str(caught.value.__cause__) == "Stubborn: stubborn ***"


def test_exceptions_that_go_in_circles_are_no_trouble() -> None:
    store = SecretStore(INLINE)
    store.get("TOKEN")
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__cause__, second.__cause__ = second, first
    assert store.conceal(first) is first
    assert (first.args, second.args) == (("***",), ("***",))


class Constructed:
    def __init__(self, context: Any) -> None:
        raise ValueError(f"bad {context.get_secret('TOKEN')}")

    def do(self, x: Any) -> Any: ...


def test_a_secret_is_in_no_bind_error(graph: Any) -> None:
    graph.to(Constructed, "made").respond()
    server = graph.to_mock_server(secret_sources=INLINE)
    with pytest.raises(GraphError) as bound:
        server.init()
    with pytest.raises(StepError) as tested:
        server.test(body=1)
    assert_absent(told(bound.value), told(tested.value), repr(bound.value.problems))
    assert "bad ***" in str(bound.value)


def test_a_secret_is_in_no_error_of_a_step_that_is_run_alone(serve: Serve) -> None:
    server = serve(leak, secret_sources=INLINE)
    server.init()
    with pytest.raises(StepError) as caught:
        server.graph["step"].run(Event("message"))
    assert_absent(told(caught.value))


class Careless(V2ModelServer):
    def load(self) -> None:
        raise ValueError(f"no model for {self.context.get_secret('TOKEN')}")

    def predict(self, request: Any) -> Any: ...


@pytest.mark.parametrize("own_logger", [True, False])
def test_a_secret_is_in_no_error_or_log_of_a_load(caplog: pytest.LogCaptureFixture, own_logger: bool) -> None:
    server = create_graph_server(secret_sources=INLINE, verbose=True)
    server.add_model("m", class_name=Careless)
    with caplog.at_level(logging.DEBUG):
        server.init_states(logger=logging.getLogger("mine") if own_logger else None)
        server.init_object()
        with pytest.raises(StepError) as caught:
            server.test("m/infer", {"inputs": [1]})
    assert_absent(told(caught.value), caplog.text)
    assert "no model for ***" in caplog.text
    assert "Traceback" in caplog.text


def test_a_secret_is_in_no_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def step(x: Any, context: Any) -> Any:
        token = context.get_secret("TOKEN")
        context.logger.info(f"plain {token}")
        context.logger.info("args %s", token)
        context.logger.info_with("values", token=token)
        context.logger.info("100% of %s", token)
        try:
            raise OSError(5, token)
        except OSError:
            context.logger.exception("failed")
        raise ValueError(token)

    with caplog.at_level(logging.DEBUG, "graphkit"):
        serve(step, secret_sources=INLINE, verbose=True).test(body=1, silent=True)
    assert_absent(caplog.text)
    assert "plain ***" in caplog.text
    assert "args ***" in caplog.text
    assert "values token=" in caplog.text
    assert "OSError: [Errno 5] ***" in caplog.text
    assert "error in step step: step 'step' failed: ValueError: ***" in caplog.text


@pytest.mark.parametrize("kind", ["message", "cause", "answer"])
def test_a_secret_is_in_no_run_record(graph: Any, kind: str) -> None:
    graph.to(name="first", handler=leak).to(name="last", handler="({'got': event})").respond()
    server = graph.to_mock_server(secret_sources=INLINE)
    server.test(body=kind, silent=True)
    record = server.last_run
    assert record is not None
    shown = [repr(record), record._repr_html_(), repr(record.to_dict()), record.to_frame().to_string()]
    assert_absent(*shown, str(record.answer))
    if kind == "answer":
        assert record.answer == {"got": "***"}


def test_a_secret_is_in_no_record_of_the_error_stream(serve: Serve, stream_url: str) -> None:
    def step(event: Event) -> Any:
        token = server.context.get_secret("TOKEN")
        server.context.get_secret("PIN")
        event.body = {token: [token, 987654], "raw": token.encode()[:3]}
        server.context.push_error(event, f"pushed {token}", source="me", header=token)
        raise ValueError(token)

    stream = open_stream(stream_url)
    server = serve(step, full_event=True, secret_sources=INLINE, error_stream=stream_url)
    server.test(body=1, silent=True)
    records = stream.read()
    assert len(records) == 2
    assert_absent(json.dumps(records, ensure_ascii=False))
    assert "987654" not in json.dumps(records)
    assert records[0]["message"] == "pushed ***"
    assert records[0]["args"] == {"header": "***"}


def test_a_secret_is_in_no_tracking_record() -> None:
    class Echo(V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            token = self.context.get_secret("TOKEN")
            self.set_metric("token", token)
            if request["inputs"] == ["fail"]:
                raise ValueError(token)
            return [token]

    server = create_graph_server(secret_sources=INLINE, track_models=True)
    server.add_model("m", class_name=Echo)
    assert server.test("m/infer", {"inputs": [1]})["outputs"] == [SECRET]
    server.test("m/infer", {"inputs": ["fail"]}, silent=True)
    server.wait_for_completion()
    records = server.context.stream.output_stream.read()
    assert len(records) == 2
    assert_absent(json.dumps(records, ensure_ascii=False))
    assert records[0]["resp"]["outputs"] == ["***"]


def test_a_secret_is_in_no_error_that_a_handler_gets(graph: Any) -> None:
    graph.to(name="step", handler=leak).respond()
    graph.error_handler(name="catch", handler=lambda event: event.error, full_event=True)
    server = graph.to_mock_server(secret_sources=INLINE)
    assert server.test(body="message") == {"step": "ValueError: *** was refused"}


@pytest.mark.parametrize("secret", ["pass word/&?", 'a"b', "it's", "back\\slash", "new\nline", "plain123", "ümlaut"])
def test_a_secret_is_known_however_it_is_quoted(secret: str) -> None:
    store = SecretStore([{"kind": "inline", "source": {"A": secret}}])
    assert store.get("A") == secret
    texts = [secret, repr(secret), repr([repr({"key": secret})]), json.dumps(secret), quote(secret), quote_plus(secret)]
    for text in [*texts, repr(f"{secret} '\""), str(KeyError(secret)), f"https://host/?token={quote(secret, safe='')}"]:
        assert "***" in store.redact(f"some {text} here")


def test_the_answer_itself_is_the_steps_own_business(serve: Serve) -> None:
    assert serve(leak, secret_sources=INLINE).test(body="answer") == SECRET


def test_a_very_short_secret_blots_out_no_text(serve: Serve) -> None:
    def step(x: Any, context: Any) -> Any:
        raise ValueError(f"a b c {context.get_secret('A')}")

    with pytest.raises(StepError, match="a b c b"):
        serve(step, secret_sources=[{"kind": "inline", "source": {"A": "b"}}]).test(body=1)
