"""What a real Nuclio context lends to a graph's context."""

import logging

import nuclio_sdk

from graphkit.core.context import GraphContext, StreamContext, hostname
from graphkit.core.event import Response


def test_a_nuclio_context_lends_its_logger_response_worker_and_trigger():
    logger = logging.getLogger("tests.nuclio")
    theirs = nuclio_sdk.Context(logger, worker_id=3, trigger=nuclio_sdk.TriggerInfo("kafka", "in"))
    context = GraphContext(nuclio_context=theirs)
    assert context.logger is logger
    assert (context.Response, context.worker_id, context.trigger) == (nuclio_sdk.Response, 3, "kafka")
    assert context.platform is theirs.platform


def test_an_own_logger_comes_before_the_nuclio_contexts():
    logger = logging.getLogger("tests.own")
    assert GraphContext(logger=logger, nuclio_context=nuclio_sdk.Context(logging.getLogger())).logger is logger


def test_what_a_nuclio_context_lacks_keeps_its_default():
    context = GraphContext(nuclio_context=object())
    assert (context.Response, context.worker_id, context.trigger) == (Response, 0, None)
    assert repr(context.logger) == "Logger('graphkit')"


def test_the_logger_is_made_once_and_can_be_replaced():
    context = GraphContext(level=None)
    assert context.logger is context.logger
    context.logger = mine = logging.getLogger("tests.own")
    assert context.logger is mine


def test_a_stream_context_is_enabled_by_a_stream():
    assert StreamContext().enabled is False
    stream = StreamContext(object(), "p/f")
    assert (stream.enabled, stream.function_uri, stream.hostname) == (True, "p/f", hostname())
