"""Where a log is written to."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import pytest

from graphkit.server.http.log_output import LogOutput
from tests.server.http.disks import Disk


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("shop", logging.INFO, __file__, 1, text, (), None)


def test_lines_are_written_behind_what_others_write(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        output = LogOutput(stream)
        stream.write("first\n")
        output.emit(record("zwölf"))
    assert (tmp_path / "log").read_text(encoding="utf-8") == "first\nzwölf\n"


def test_a_stream_that_is_no_file_is_written_to() -> None:
    stream = io.StringIO()
    LogOutput(stream).emit(record("a"))
    assert stream.getvalue() == "a\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_lines_that_find_no_room_are_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as stream, (tmp_path / "log").open("w") as file:
        output = LogOutput(stream)
        for _ in range(3):
            output.emit(record("a"))
        os.dup2(file.fileno(), stream.fileno())
        output.emit(record("b"))
        output.emit(record("c"))
    assert (tmp_path / "log").read_text() == "3 lines of this log could not be written\nb\nc\n"
    assert capfd.readouterr().err == ""


def test_a_line_that_found_room_for_its_beginning_is_ended(disk: Disk) -> None:
    with (disk.folder / "log").open("w") as stream:
        output = LogOutput(stream)
        output.emit(record("a" * 1000))
        disk.fill()
        for _ in range(10):
            output.emit(record("b" * 1000))
        disk.make_room()
        output.emit(record("c"))
    lines = (disk.folder / "log").read_text().splitlines()
    assert lines[0] == "a" * 1000
    assert {len(line) for line in lines[1:-3]} <= {1000}
    assert 0 < len(lines[-3]) < 1000
    assert lines[-2:] == [f"{11 - len(lines[1:-2])} lines of this log could not be written", "c"]
