"""The logger of steps: forms of calls, levels, and where its records appear."""

import contextlib
import logging
import sys

import pytest

from graphkit.core.logger import Logger


@pytest.fixture
def logger(caplog):
    caplog.set_level(logging.DEBUG, "tests.graphkit")
    return Logger("tests.graphkit")


def test_values_given_by_name_follow_the_text(logger, caplog):
    logger.info("loaded", rows=3, name="x")
    assert caplog.messages == ["loaded rows=3 name='x'"]


@pytest.mark.parametrize(
    ("call", "level"),
    [
        ("debug", "DEBUG"),
        ("debug_with", "DEBUG"),
        ("info", "INFO"),
        ("info_with", "INFO"),
        ("warning", "WARNING"),
        ("warn", "WARNING"),
        ("warn_with", "WARNING"),
        ("error", "ERROR"),
        ("error_with", "ERROR"),
    ],
)
def test_every_form_of_call_logs_at_its_level(logger, caplog, call, level):
    getattr(logger, call)("text", a=1)
    assert [(record.levelname, record.message) for record in caplog.records] == [(level, "text a=1")]


def test_an_exception_is_logged_with_its_traceback(logger, caplog):
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("failed", step="s")
        logger.error("again", exc_info=True)
    assert caplog.messages == ["failed step='s'", "again"]
    assert caplog.text.count("ValueError: broken") == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


@pytest.mark.parametrize(
    ("args", "values", "text"),
    [
        (("100 %",), {}, "100 %"),
        (("100 %",), {"a": 1}, "100 % a=1"),
        (("%s of %d", "x", 3), {}, "x of 3"),
        (("%s of %d", "x", 3), {"a": 1}, "x of 3 a=1"),
        ((ValueError("odd"),), {}, "odd"),
        ((5,), {"a": "%s"}, "5 a='%s'"),
        (("no place", 5), {"a": 1}, "no place (5,) a=1"),
        (("text",), {"message": 1, "level": 2, "args": 3, "self_": 4}, "text message=1 level=2 args=3 self_=4"),
    ],
)
def test_texts_are_formatted_only_where_there_are_arguments(logger, caplog, args, values, text):
    logger.info(*args, **values)
    assert caplog.messages == [text]


def test_what_is_below_the_level_is_not_even_formatted(caplog):
    class Loud:
        def __str__(self):
            raise AssertionError("formatted")

        __repr__ = __str__

    logger = Logger("tests.graphkit.quiet", "error")
    logger.info(Loud(), a=Loud())
    logger.error("seen")
    assert caplog.messages == ["seen"]


def test_a_level_is_given_by_name_and_left_alone_without_one():
    Logger("tests.graphkit.level", "debug")
    assert logging.getLogger("tests.graphkit.level").level == logging.DEBUG
    Logger("tests.graphkit.level")
    assert logging.getLogger("tests.graphkit.level").level == logging.DEBUG


def test_a_level_that_somebody_else_has_set_stays():
    theirs = logging.getLogger("tests.graphkit.theirs")
    theirs.setLevel("WARNING")
    Logger("tests.graphkit.theirs", "info", weakly=True)
    assert theirs.level == logging.WARNING
    Logger("tests.graphkit.theirs", "info")
    assert theirs.level == logging.INFO
    Logger("tests.graphkit.ours", "info")
    Logger("tests.graphkit.ours", "debug", weakly=True)
    ours = logging.getLogger("tests.graphkit.ours")
    assert ours.level == logging.DEBUG
    ours.setLevel("ERROR")
    Logger("tests.graphkit.ours", "info", weakly=True)
    assert ours.level == logging.ERROR


def test_a_record_names_the_place_that_logged_it(logger, caplog):
    logger.info("plain")
    logger.info("values", a=1)
    Logger("tests.graphkit", redact=str).error("redacted")
    assert {(record.filename, record.funcName) for record in caplog.records} == {
        ("test_logger.py", "test_a_record_names_the_place_that_logged_it")
    }


def test_a_logger_is_shown_by_its_name():
    assert repr(Logger("tests.graphkit")) == "Logger('tests.graphkit')"


# ---- where records appear ---------------------------------------------------------------------------------


@contextlib.contextmanager
def nobody():
    """Take away the handlers that pytest has set up, as if nobody had set up logging."""
    root = logging.getLogger()
    theirs, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = theirs


def test_records_are_shown_while_nobody_has_set_up_logging(capsys):
    logger = Logger("tests.graphkit.shown", "info")
    Logger("tests.graphkit.shown")
    with nobody():
        logger.info("hello", a=1)
        logger.debug("too low")
        logger.error("bad")
    assert capsys.readouterr() == ("", "hello a=1\nbad\n")


def test_a_record_is_shown_once_however_many_loggers_it_passes(capsys):
    Logger("tests.graphkit", "info")
    inner = Logger("tests.graphkit.inner", "info")
    with nobody():
        inner.info("hello")
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("name", [None, "tests", "tests.graphkit.taken"])
def test_records_are_left_to_whoever_has_set_up_logging(capsys, name):
    with nobody():
        own = logging.StreamHandler(sys.stdout)
        where = logging.getLogger(name)
        where.addHandler(own)
        try:
            Logger("tests.graphkit.taken", "info").info("hello")
        finally:
            where.removeHandler(own)
    assert capsys.readouterr() == ("hello\n", "")


def test_a_record_that_cannot_be_written_fails_nobody(monkeypatch):
    class Closed:
        def write(self, text):
            raise ValueError("closed")

    monkeypatch.setattr(sys, "stderr", Closed())
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with nobody():
        Logger("tests.graphkit.closed", "info").info("hello")
