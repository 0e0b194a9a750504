"""The journal says what is done; only one run at a time has it."""

from __future__ import annotations

import zlib

import pytest

from graphkit.batch.journal import FAILED, JOURNAL, PART, Done, Journal
from graphkit.core.errors import GraphError

ASKED = {"chunk": 5, "input": ["/x", 3]}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.csv"


def begun(output, asked=ASKED):
    """Leave what a run leaves that was interrupted after its first chunk."""
    with Journal(output, asked) as journal:
        journal.note(Done(0, 0, 5, 0, 0, 0))
    return journal


def known(output):
    with Journal(output, ASKED) as journal:
        return sorted(journal.done)


def test_what_was_noted_is_known_to_the_next_run(output):
    journal = Journal(output, ASKED)
    journal.note(Done(0, 0, 5, 0, 0, 0))
    journal.note(Done(2, 10, 5, 0, 0, 0))
    journal.close()
    with Journal(output, ASKED) as again:
        assert again.done == {0: Done(0, 0, 5, 0, 0, 0), 2: Done(2, 10, 5, 0, 0, 0)}
        again.note(Done(1, 5, 5, 0, 0, 0))
    assert known(output) == [0, 1, 2]


def test_a_line_that_was_not_finished_is_forgotten(output):
    journal = Journal(output, ASKED)
    journal.note(Done(0, 0, 5, 0, 0, 0))
    journal.close()
    path = journal.folder / JOURNAL
    path.write_text(path.read_text() + '{"chunk": 1, "st')
    with Journal(output, ASKED) as again:
        assert sorted(again.done) == [0]
        again.note(Done(1, 5, 5, 0, 0, 0))
    assert known(output) == [0, 1]


def test_a_journal_without_a_finished_line_begins_anew(output):
    (begun(output).folder / JOURNAL).write_text('{"chun')
    with Journal(output, {"chunk": 6}) as again:
        assert again.done == {}


def test_a_run_goes_on_only_with_what_was_asked_for(output):
    begun(output)
    with pytest.raises(GraphError, match=r"was asked for something else \(chunk, new\): .*restart=True"):
        Journal(output, {**ASKED, "chunk": 6, "new": 1})
    with pytest.raises(GraphError, match="input"):
        Journal(output, {**ASKED, "input": ["/x", 4]})


def test_a_run_goes_on_only_with_what_answered(output):
    asked = {**ASKED, "code": {"a.py": "1", "b.py": "1"}, "files": {"m.pkl": "1"}}
    begun(output, asked)
    Journal(output, {**asked, "code": dict(reversed(asked["code"].items()))}).close()
    others = {"code": {"a.py": "2", "c.py": "1"}, "files": {}}
    with pytest.raises(
        GraphError, match=r"since \(code 'a\.py', 'b\.py', 'c\.py'; files 'm\.pkl'\), so .*restart=True"
    ):
        Journal(output, {**asked, **others})
    with pytest.raises(GraphError, match=r"something else \(chunk, files 'm\.pkl'\): .*restart=True"):
        Journal(output, {**asked, "files": {}, "chunk": 6})
    Journal(output, {**asked, **others}, restart=True).close()


def test_where_nothing_is_done_anything_may_be_asked_for(output):
    # a call that was refused for a mistyped column left a journal that refused the corrected one
    Journal(output, ASKED).close()
    assert list(output.parent.iterdir()) == []
    journal = begun(output)
    path = journal.folder / JOURNAL
    path.write_text(
        "".join(path.read_text().splitlines(keepends=True)[:1])
    )  # as a kill before the first chunk leaves it
    with Journal(output, {"chunk": 6}) as again:
        again.note(Done(0, 0, 6, 0, 0, 0))
    with pytest.raises(GraphError, match=r"something else \(chunk, input\)"):
        Journal(output, ASKED)


def test_a_restart_forgets(output):
    journal = Journal(output, ASKED)
    journal.note(Done(0, 0, 5, 0, 0, 0))
    journal.part(0, PART).write_text("x")
    journal.close()
    with Journal(output, {"chunk": 6}, restart=True) as again:
        assert again.done == {}
        assert not again.part(0, PART).exists()


def test_two_runs_do_not_write_one_file(output):
    first = Journal(output, ASKED)
    with pytest.raises(GraphError, match=r"another run is writing .*out\.csv"):
        Journal(output, ASKED)
    first.close()
    Journal(output, ASKED).close()


def test_nothing_is_left_of_a_finished_run(output):
    journal = Journal(output, ASKED)
    journal.part(0, PART).write_text("x")
    journal.finish()
    journal.close()
    assert list(output.parent.iterdir()) == []


def test_what_a_kill_has_left_of_a_finished_run_is_cleared_away(output):
    journal = begun(output)
    journal.part(0, PART).write_text("x")
    (journal.folder / JOURNAL).unlink()
    with Journal(output, ASKED) as again:
        assert not again.part(0, PART).exists()


@pytest.mark.parametrize("spoil", ["lose the answers", "lose the errors", "zeros in a file", "zeros in the journal"])
def test_what_was_lost_when_the_power_failed_is_done_again(output, spoil):
    journal = Journal(output, ASKED)
    for chunk in range(3):
        journal.part(chunk, PART).write_bytes(b"answers")
        journal.part(chunk, FAILED).write_bytes(b"errors")
        journal.note(Done(chunk, 5 * chunk, 5, 1, 1, zlib.crc32(b"errors", zlib.crc32(b"answers"))))
    journal.close()
    if spoil == "lose the answers":
        journal.part(1, PART).unlink()
    elif spoil == "lose the errors":
        journal.part(1, FAILED).unlink()
    elif spoil == "zeros in a file":
        journal.part(1, PART).write_bytes(bytes(7))
    else:
        lines = (journal.folder / JOURNAL).read_bytes().splitlines(keepends=True)
        lines[2] = bytes(len(lines[2]) - 1) + b"\n"
        (journal.folder / JOURNAL).write_bytes(b"".join(lines))
    assert known(output) == [0, 2]
