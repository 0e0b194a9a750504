"""Streams in a file: ``file://path.db[?stream=name]``, durable, shared by processes of one machine.

The file is an SQLite database in WAL mode with ``synchronous=FULL``: a push has returned only after its entries
are on the disk. WAL needs shared memory between its users, so the file must lie on a local disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphkit.core.errors import StreamError
from graphkit.streams.base import (
    Message,
    by_lease,
    check_count,
    check_query,
    check_seconds,
    decoded_body,
    encoded_bodies,
    frame_of,
    new_lease,
    retention_seconds,
    split_url,
)

_SCHEMA = (
    # AUTOINCREMENT: a number is never given out again, so an old message cannot name a new entry.
    """CREATE TABLE IF NOT EXISTS graphkit_entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, key TEXT, body BLOB NOT NULL,
        pushed REAL NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS graphkit_entries_in_order ON graphkit_entries (stream, number)",
    """CREATE TABLE IF NOT EXISTS graphkit_groups (
        stream TEXT NOT NULL, name TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (stream, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS graphkit_leases (
        number INTEGER NOT NULL REFERENCES graphkit_entries ON DELETE CASCADE, stream TEXT NOT NULL,
        consumers TEXT NOT NULL, until REAL NOT NULL, attempts INTEGER NOT NULL, lease TEXT NOT NULL,
        PRIMARY KEY (number, consumers)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS graphkit_leases_by_time ON graphkit_leases (stream, consumers, until, number)",
)

_TAKE_AGAIN = """UPDATE graphkit_leases SET until = :until, attempts = attempts + 1, lease = :lease
    WHERE consumers = :group AND number IN (
        SELECT number FROM graphkit_leases WHERE stream = :stream AND consumers = :group AND until <= :now
        ORDER BY until, number LIMIT :count)
    RETURNING number, attempts"""

_TAKE_NEW = """INSERT INTO graphkit_leases (number, stream, consumers, until, attempts, lease)
    SELECT number, stream, :group, :until, 1, :lease FROM graphkit_entries
        WHERE stream = :stream AND number > (SELECT last FROM graphkit_groups WHERE stream = :stream AND name = :group)
        ORDER BY number LIMIT :count
    RETURNING number, attempts"""

_DROP_DONE = """DELETE FROM graphkit_entries WHERE number = :number AND stream = :stream
    AND number <= (SELECT min(last) FROM graphkit_groups WHERE stream = :stream)
    AND NOT EXISTS (SELECT 1 FROM graphkit_leases WHERE graphkit_leases.number = graphkit_entries.number)"""


class FileStream:
    """A durable stream in an SQLite file; threads and processes may share it.

    Entries that were pushed survive the death of any process. Leases are timed by the machine's clock, since
    several processes must agree on them.

    Parameters
    ----------
    url
        ``file://events.db``, ``file://./events.db`` (both relative to the working directory of the moment) or
        ``file:///abs/events.db``. ``?stream=name`` chooses one of several streams in the file.
    stream
        The stream in the file, if the URL does not name it; else ``"default"``.
    retention_in_hours
        How long entries are kept; left out, until every group has acknowledged them. It is this opener's: all who
        open the stream should say the same.
    shards
        Taken for the sake of other drivers; a stream in a file is one sequence.
    busy_timeout_s
        How long to wait for other processes that are writing before an error is raised.
    clock
        Gives the time in seconds since the epoch; for tests.

    Notes
    -----
    An instance survives ``os.fork``: the file is closed before, and both sides open it again when they use it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> stream = FileStream(f"file://{folder.name}/events.db")
    >>> stream.push([{"x": 1}, {"x": 2}])
    >>> (first,) = stream.take()
    >>> stream.ack([first])
    >>> stream.read()
    [{'x': 2}]
    >>> stream.close()
    >>> folder.cleanup()
    """

    #: Options that the opener hands over.
    options = frozenset({"busy_timeout_s", "retention_in_hours", "shards", "stream"})
    #: Each opener has an instance of its own; the file is what they share.
    shared = False

    def __init__(
        self,
        url: str,
        *,
        stream: str | None = None,
        retention_in_hours: float | None = None,
        shards: int | None = None,
        busy_timeout_s: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        parsed = split_url(url)
        check_query(url, parsed, {"stream"})
        named = parsed.query.get("stream")
        if named is not None and stream not in (None, named):
            raise StreamError(f"stream {url}: the URL names the stream {named!r}, the option 'stream' {stream!r}")
        self._stream = named or stream or "default"
        # Resolved now: a later change of the working directory must not lead to another file.
        self._path = Path(parsed.place).absolute()
        if shards is not None:
            check_count("shards", shards)
        self._retention_s = retention_seconds(retention_in_hours)
        self._busy_timeout_s = check_seconds("busy_timeout_s", busy_timeout_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._finalizer: Any = None
        with self._reading():
            pass  # what is wrong with the file is told when the stream is opened, not at its first event
        _close_around_forks(self)

    def push(self, data: Any, *, key: str | None = None) -> None:
        """Append one body, or each body of a list in one transaction; returns when they are on the disk.

        Raises
        ------
        StreamError
            If the file cannot be written, or a body cannot be written as JSON; then nothing was stored.
        """
        bodies = encoded_bodies(data, self.url)
        if not bodies:
            return
        with self._writing() as db:
            now = self._clock()
            self._drop_expired(db, now)
            db.executemany(
                "INSERT INTO graphkit_entries (stream, key, body, pushed) VALUES (?, ?, ?, ?)",
                [(self._stream, key, body, now) for body in bodies],
            )

    def read(self, start: int = 0, limit: int | None = None) -> list[Any]:
        """Return stored bodies in order without taking them; ``start`` skips that many of the oldest."""
        check_count("start", start, 0)
        most = -1 if limit is None else check_count("limit", limit, 0)
        with self._reading() as db:
            rows = db.execute(
                "SELECT body FROM graphkit_entries WHERE stream = ? AND pushed > ? ORDER BY number LIMIT ? OFFSET ?",
                (self._stream, self._oldest(self._clock()), most, start),
            ).fetchall()
        return [decoded_body(body) for (body,) in rows]

    def take(self, count: int = 1, *, group: str = "default", lease_s: float = 30.0) -> list[Message]:
        """Lease up to ``count`` entries: first those that come again, then new ones.

        Parameters
        ----------
        count
            How many at most; none waiting gives an empty list at once.
        group
            The consumers that share the work.
        lease_s
            How long, in seconds, the entries are this consumer's alone.
        """
        check_count("count", count)
        check_seconds("lease_s", lease_s)
        lease = new_lease()
        with self._writing() as db:
            now = self._clock()
            self._drop_expired(db, now)
            db.execute("INSERT OR IGNORE INTO graphkit_groups VALUES (?, ?, 0)", (self._stream, group))
            values = {"stream": self._stream, "group": group, "now": now, "until": now + lease_s, "lease": lease}
            taken = db.execute(_TAKE_AGAIN, {**values, "count": count}).fetchall()
            fresh = db.execute(_TAKE_NEW, {**values, "count": count - len(taken)}).fetchall()
            if fresh:
                db.execute(
                    "UPDATE graphkit_groups SET last = ? WHERE stream = ? AND name = ?",
                    (max(number for number, _ in fresh), self._stream, group),
                )
            # RETURNING gives rows in no particular order.
            rows = [(number, attempts, *_entry(db, number)) for number, attempts in sorted(taken) + sorted(fresh)]
        return [
            Message(id=str(number), body=decoded_body(body), key=key, attempts=attempts, lease=lease)
            for number, attempts, key, body in rows
        ]

    def ack(self, messages: Iterable[Any], *, group: str = "default") -> None:
        """Mark entries as done for this group; those that are done already are passed over."""
        leases = by_lease(messages, self.url)
        with self._writing() as db:
            self._check_group(db, group)
            db.executemany(
                "DELETE FROM graphkit_leases WHERE number = ? AND consumers = ? AND stream = ?",
                [(number, group, self._stream) for number, _ in leases],
            )
            if self._retention_s is None:
                db.executemany(_DROP_DONE, [{"number": number, "stream": self._stream} for number, _ in leases])

    def nack(self, messages: Iterable[Any], *, group: str = "default", delay_s: float = 0.0) -> None:
        """Give entries back, to be delivered again after ``delay_s``; only the current holder can."""
        leases = by_lease(messages, self.url)
        check_seconds("delay_s", delay_s)
        with self._writing() as db:
            self._check_group(db, group)
            until = self._clock() + delay_s
            db.executemany(
                "UPDATE graphkit_leases SET until = ? WHERE number = ? AND consumers = ? AND stream = ? AND lease = ?",
                [(until, number, group, self._stream, lease) for number, lease in leases],
            )

    def as_df(self) -> Any:
        """Return the stored bodies as a pandas DataFrame, one row each."""
        return frame_of(self.read())

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._disconnect()

    def __len__(self) -> int:
        with self._reading() as db:
            (count,) = db.execute(
                "SELECT count(*) FROM graphkit_entries WHERE stream = ? AND pushed > ?",
                (self._stream, self._oldest(self._clock())),
            ).fetchone()
        return int(count)

    def __repr__(self) -> str:
        return f"FileStream({self.url!r})"

    def _oldest(self, now: float) -> float:
        """Return the moment before which entries count as gone."""
        return 0.0 if self._retention_s is None else now - self._retention_s

    def _drop_expired(self, db: sqlite3.Connection, now: float) -> None:
        # The oldest is looked at first, so that a push with nothing to drop costs one look-up.
        while self._retention_s is not None:
            oldest = db.execute(
                "SELECT number, pushed FROM graphkit_entries WHERE stream = ? ORDER BY number LIMIT 1", (self._stream,)
            ).fetchone()
            if oldest is None or oldest[1] > self._oldest(now):
                return
            db.execute(
                "DELETE FROM graphkit_entries WHERE stream = ? AND pushed <= ? AND number < ?",
                (self._stream, self._oldest(now), oldest[0] + 1000),
            )

    def _check_group(self, db: sqlite3.Connection, group: str) -> None:
        query = "SELECT 1 FROM graphkit_groups WHERE stream = ? AND name = ?"
        if db.execute(query, (self._stream, group)).fetchone() is None:
            raise StreamError(f"stream {self.url}: the group {group!r} has taken nothing")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connected()
            except StreamError:
                raise
            except (sqlite3.Error, OSError) as exc:
                raise StreamError(f"stream {self.url}: {exc}") from exc

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            # IMMEDIATE: the wait for other writers is here, where the busy timeout applies, not at the first change.
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                # Some errors (a full disk) have rolled back by themselves.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _connected(self) -> sqlite3.Connection:
        if self._db is not None and self._inode != _inode(self._path):
            # Somebody removed or replaced the file: what is written to the old one would be lost without a word.
            self._disconnect()
        if self._db is None:
            if not self._path.parent.is_dir():
                raise FileNotFoundError(f"there is no folder {str(self._path.parent)!r}")
            self._db = _connect(self._path, self._busy_timeout_s)
            self._inode = _inode(self._path)
            self._finalizer = weakref.finalize(self, self._db.close)
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._finalizer.detach()
            db, self._db = self._db, None
            db.close()

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._disconnect()

    def _after_fork(self) -> None:
        self._lock.release()


def _close_around_forks(stream: FileStream) -> None:
    """Have the stream closed whenever this process forks.

    SQLite keeps a process's locks in tables of its own. A child would inherit tables that say it holds locks that
    it does not have, and others could then remove the write-ahead log under it.
    """
    if not hasattr(os, "register_at_fork"):  # Windows has no fork
        return
    known = weakref.ref(stream)

    def before() -> None:
        if (found := known()) is not None:
            found._before_fork()

    def after() -> None:
        if (found := known()) is not None:
            found._after_fork()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < (3, 35):
        raise OSError(f"file:// streams need SQLite 3.35 or later, this Python has {sqlite3.sqlite_version}")
    # The stream's lock admits one thread at a time, so SQLite's own check of threads would only be in the way.
    db = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        _switch_to_wal(db, time.monotonic() + busy_timeout_s)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        if db.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'graphkit_%'").fetchone()[0] < len(_SCHEMA):
            db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _switch_to_wal(db: sqlite3.Connection, deadline: float) -> None:
    # SQLite does not wait here when another process is doing the same: it reports "locked" at once.
    while True:
        try:
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise OSError(f"the file's place allows no write-ahead log (SQLite stays in mode {mode!r})")
        return


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _entry(db: sqlite3.Connection, number: int) -> tuple[str | None, bytes]:
    key, body = db.execute("SELECT key, body FROM graphkit_entries WHERE number = ?", (number,)).fetchone()
    return key, body
