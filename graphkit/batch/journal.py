"""What a batch has done until now, beside its output, so that a run that was killed goes on where it stopped.

A folder holds one file for each chunk that was answered, and ``journal.jsonl``: a line that says what the run was asked
for, then one line for each chunk, written when the chunk's file is complete. What no line speaks of is done again, and
so is a chunk whose file does not have the checksum that its line gives.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import msgspec

from graphkit.core.errors import GraphError, choices

JOURNAL = "journal.jsonl"
#: Endings of the files of a chunk's answers, and of its failures.
PART = ".part"
FAILED = ".errors"


class Done(msgspec.Struct, frozen=True):
    """A chunk that was answered.

    Attributes
    ----------
    chunk, start, rows
        Its number, the position of its first row, and how many rows it has.
    failed
        How many of them failed.
    columns
        How many columns the answers have; without any there is no file of answers.
    check
        Checksum (CRC-32) of the file of answers and the file of failures.
    """

    chunk: int
    start: int
    rows: int
    failed: int
    columns: int
    check: int


class Journal:
    """The journal of one output file. Only one process at a time may hold it.

    Parameters
    ----------
    output
        The file that the run is to write.
    asked
        What decides the output; a run goes on only with what was asked for before.
    restart
        Whether to forget what was done.
    """

    def __init__(self, output: Path, asked: Mapping[str, Any], restart: bool = False) -> None:
        self.folder = output.with_name(f".{output.name}.parts")
        self.done: dict[int, Done] = {}
        self._asked: dict[str, Any] = json.loads(json.dumps(asked, default=str))
        self._output = output
        self._lock: TextIO | None = None
        self._file: TextIO | None = None
        self._take_lock()
        try:
            if restart or not (self.folder / JOURNAL).exists():
                self._clear()
            self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def part(self, chunk: int, suffix: str) -> Path:
        """Return the file of a chunk's answers (``PART``) or failures (``FAILED``)."""
        return part_path(self.folder, chunk, suffix)

    def note(self, done: Done) -> None:
        """Note that a chunk is done; its files are complete."""
        assert self._file is not None
        self.done[done.chunk] = done
        self._file.write(msgspec.json.encode(done).decode() + "\n")
        self._file.flush()  # from here on the system has it, whatever happens to this process

    def finish(self) -> None:
        """Throw everything away: the output is written."""
        self.close_file()
        # first what says that there is something to go on with
        (self.folder / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def close_file(self) -> None:
        """Close the journal's file; what it says stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Let others have the journal. Where nothing is done, nothing is left of it."""
        if self._file is not None and not self.done:
            self.finish()
        self.close_file()
        if self._lock is not None:
            self._lock_path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    @property
    def _lock_path(self) -> Path:
        return self._output.with_name(f".{self._output.name}.lock")

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # on Windows nobody keeps two runs from writing one file
            return
        self._output.parent.mkdir(parents=True, exist_ok=True)
        while self._lock is None:
            lock = self._lock_path.open("w")
            try:
                # the system lets go of it when the process ends, however it ends
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = lock if _is_file(lock, self._lock_path) else None
            except OSError as exc:
                lock.close()
                raise GraphError(f"another run is writing {str(self._output)!r}") from exc
            if self._lock is None:
                lock.close()  # a run that has just ended took the file away

    def _clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def _open(self) -> None:
        path = self.folder / JOURNAL
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        # a line without its end was being written when the power failed
        lines = [line for line in lines if line.endswith("\n")]
        noted = [done for line in lines[1:] if (done := _read(line)) is not None]
        self.done = {done.chunk: done for done in noted if self._is_whole(done)}
        if self.done:
            self._check_asked(json.loads(lines[0]))
        else:
            lines = [json.dumps(self._asked) + "\n"]  # nothing is done, so that it may be asked for anything
        path.write_text("".join(lines), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")

    def _is_whole(self, done: Done) -> bool:
        """Return whether a chunk's files are as they were written: when the power fails, files may be lost."""
        check = 0
        for suffix, there in ((PART, done.columns), (FAILED, done.failed)):
            if there:
                try:
                    check = zlib.crc32(self.part(done.chunk, suffix).read_bytes(), check)
                except FileNotFoundError:
                    return False
        return check == done.check

    def _check_asked(self, before: Mapping[str, Any]) -> None:
        other = [key for key in {**before, **self._asked} if before.get(key) != self._asked.get(key)]
        asked = [key for key in other if not isinstance(self._asked.get(key), dict)]
        changed = [_changed(key, before.get(key), self._asked[key]) for key in other if key not in asked]
        if asked:
            raise GraphError(
                f"a run into {str(self._output)!r} was interrupted that was asked for something else "
                f"({', '.join([*asked, *changed])}): go on with what was asked then, or begin anew with "
                f"restart=True"
            )
        if changed:
            raise GraphError(
                f"a run into {str(self._output)!r} was interrupted, and what answers has changed since "
                f"({'; '.join(changed)}), so that some rows would have old answers and some new ones: go on with what "
                f"was there then, or begin anew with restart=True"
            )


def _changed(what: str, before: Any, now: Mapping[str, Any]) -> str:
    """Return which marks of a dict are others by now."""
    old = before if isinstance(before, dict) else {}
    return f"{what} {choices(key for key in {**old, **now} if old.get(key) != now.get(key))}"


def part_path(folder: Path, chunk: int, suffix: str) -> Path:
    """Return a file of a chunk."""
    return folder / f"{chunk:08d}{suffix}"


def _read(line: str) -> Done | None:
    try:
        return msgspec.json.decode(line, type=Done)
    except (msgspec.DecodeError, UnicodeError):
        return None  # zeros, after the power has failed


def _is_file(file: TextIO, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file.fileno()), there)
