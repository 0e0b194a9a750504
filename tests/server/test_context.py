"""``GraphContext``: what a step may know of its server, and what a Nuclio context lends."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import GraphContext, GraphServer, Response
from graphkit.core.logger import Logger

Serve = Callable[..., GraphServer]


class NuclioResponse:
    """As Nuclio has it."""


def nuclio(**more: Any) -> Any:
    trigger = SimpleNamespace(kind="kafka", name="orders")
    fields = {"logger": logging.getLogger("nuclio"), "Response": NuclioResponse, "worker_id": 7, "trigger": trigger}
    return SimpleNamespace(**{**fields, **more})


def test_the_signature_is_that_of_the_interface() -> None:
    parameters = inspect.signature(GraphContext).parameters
    assert {name: item.default for name, item in parameters.items()} == {
        "level": "info", "logger": None, "server": None, "nuclio_context": None,
    }  # fmt: skip
    pushed = inspect.signature(GraphContext.push_error).parameters
    assert list(pushed) == ["self", "event", "message", "source", "kwargs"]


def test_alone_it_has_defaults_for_all() -> None:
    context = GraphContext()
    assert (context.verbose, context.root, context.server, context.project) == (False, None, None, "")
    assert (context.current_function, context.is_mock, context.worker_id) == (None, False, 0)
    assert (context.Response, context.stream.enabled) == (Response, False)
    assert context.get_param("rate") is None
    assert context.get_param("rate", 5) == 5
    assert context.get_secret("TOKEN") is None
    context.push_error(None, "nobody listens")


def test_a_step_gets_the_servers(serve: Serve) -> None:
    server = serve(lambda x, context: context, verbose=True, function_uri="shop/orders", parameters={"rate": 5})
    context = server.test(body=1)
    assert isinstance(context, GraphContext)
    assert context is server.context
    assert (context.server, context.root, context.verbose) == (server, server.graph, True)
    assert (context.project, context.current_function, context.is_mock) == ("shop", "*", True)
    assert (context.get_param("rate"), context.get_param("other", 1)) == (5, 1)


def test_every_kind_of_step_gets_it(graph: Any) -> None:
    class Taking:
        def __init__(self, context: Any) -> None:
            self.context = context

        def do(self, x: Any) -> Any:
            return [*x, self.context]

    def keyword(x: Any, *, context: Any) -> Any:
        return [*x, context]

    async def awaiting(x: Any, context: Any) -> Any:
        return [*x, context]

    graph.to(Taking).to(keyword).to(awaiting).respond()
    server = graph.to_mock_server()
    assert server.test(body=[]) == [server.context] * 3
    server.wait_for_completion()


@pytest.mark.parametrize(
    ("uri", "project"), [("shop/orders", "shop"), ("orders", ""), (None, ""), ("", ""), ("a/b/c", "a")]
)
def test_the_project_is_part_of_the_function_uri(uri: str | None, project: str) -> None:
    server = GraphServer(function_uri=uri)
    server.init_states()
    assert server.context.project == project


def test_parameters_are_looked_up_when_they_are_asked_for(serve: Serve) -> None:
    server = serve(lambda x, context: context.get_param("rate"), parameters={"rate": 1})
    assert server.test(body=0) == 1
    server.parameters["rate"] = 2
    assert server.test(body=0) == 2


def test_a_parameter_that_is_none_is_not_the_default(serve: Serve) -> None:
    assert serve(lambda x, context: context.get_param("a", 5), parameters={"a": None}).test(body=0) is None


def test_the_parameters_are_the_servers_own() -> None:
    given = {"a": 1}
    server = GraphServer(parameters=given)
    given["a"] = 2
    assert server.parameters == {"a": 1}


def test_verbose_may_change(serve: Serve) -> None:
    server = serve(lambda x, context: context.verbose)
    assert server.test(body=0) is False
    server.verbose = True
    assert server.test(body=0) is True


# ---- Nuclio -------------------------------------------------------------------------------------------------------


def test_a_nuclio_context_lends_what_it_has() -> None:
    lent = nuclio()
    context = GraphContext(nuclio_context=lent)
    assert (context.logger, context.Response, context.worker_id) == (lent.logger, NuclioResponse, 7)
    assert context.trigger == "kafka"


def test_a_logger_that_is_given_comes_first() -> None:
    logger = logging.getLogger("mine")
    assert GraphContext(logger=logger, nuclio_context=nuclio()).logger is logger


def test_it_may_lack_some_of_it() -> None:
    context = GraphContext(nuclio_context=SimpleNamespace())
    assert (context.Response, context.worker_id, context.trigger) == (Response, 0, None)
    assert isinstance(context.logger, Logger)


def test_the_server_hands_it_on_to_the_steps(serve: Serve) -> None:
    server = serve(lambda x, context: (context.worker_id, context.Response, context.trigger))
    server.init(nuclio())
    assert server.test(body=1) == (7, NuclioResponse, "kafka")


# ---- the logger ---------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _level() -> Any:
    """Put the level of the shared logger back."""
    logger = logging.getLogger("graphkit")
    before = logger.level
    yield
    logger.setLevel(before)


def test_the_logger_takes_values_by_name(caplog: pytest.LogCaptureFixture) -> None:
    logger = GraphContext(level="debug").logger
    logger.info("loaded", model="iris", size=3)
    logger.info_with("loaded", rate=100)
    logger.debug_with("100% done")
    logger.warn("careful %s", "now")
    logger.error_with("100%", part="50%")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["loaded model='iris' size=3", "loaded rate=100", "100% done", "careful now", "100% part='50%'"]
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "INFO", "DEBUG", "WARNING", "ERROR"]


def test_the_logger_keeps_to_its_level(caplog: pytest.LogCaptureFixture) -> None:
    logger = GraphContext(level="warning").logger
    logger.info("hidden")
    logger.warning("shown")
    assert [record.getMessage() for record in caplog.records] == ["shown"]


def test_the_default_level_leaves_one_that_the_user_has_set(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", "graphkit")
    GraphContext().logger.warning("hidden")
    caplog.set_level("DEBUG", "graphkit")
    GraphContext().logger.debug("shown")
    assert [record.getMessage() for record in caplog.records] == ["shown"]


def test_an_exception_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    logger = GraphContext().logger
    try:
        raise KeyError("lost")
    except KeyError:
        logger.exception("failed", step="a")
    assert "failed step='a'" in caplog.text
    assert "KeyError: 'lost'" in caplog.text


def test_a_message_that_does_not_fit_fails_no_step(caplog: pytest.LogCaptureFixture) -> None:
    logger = GraphContext().logger
    logger.info("a %d", "x")
    logger.info("a %s %s", "x", more=1)
    assert "a %d" in caplog.text
