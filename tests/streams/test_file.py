import multiprocessing
import shutil
import sqlite3
import threading
import time

import pytest

from graphkit.core.errors import StreamError
from graphkit.streams.file import FileStream


@pytest.fixture
def open_file(tmp_path):
    """Return a function that opens streams in one file."""
    opened = []

    def open_it(place=None, **options):
        opened.append(FileStream(f"file://{place or tmp_path / 'events.db'}", **options))
        return opened[-1]

    yield open_it
    for stream in opened:
        stream.close()


def test_another_instance_sees_what_was_pushed(open_file):
    open_file().push([1, 2])
    assert open_file().read() == [1, 2]


def test_streams_in_one_file_are_apart(open_file, tmp_path):
    a, b = open_file(stream="a"), open_file(f"{tmp_path}/events.db?stream=b")
    a.push([1, 2])
    b.push(3)
    taken = a.take(5)
    assert [m.body for m in taken] == [1, 2]
    assert [m.body for m in b.take(5)] == [3]
    b.ack(taken)  # entries of another stream are none of its business
    assert (len(a), len(b)) == (2, 1)


def test_a_relative_file_is_found_again_after_the_working_directory_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    for url in ("file://rel.db", "file://./rel.db"):
        monkeypatch.chdir(tmp_path)
        stream = FileStream(url)
        stream.push(url)
        stream.close()
        monkeypatch.chdir(tmp_path / "elsewhere")
        stream.push(url)
        stream.close()
    assert not any((tmp_path / "elsewhere").iterdir())
    again = FileStream(f"file://{tmp_path}/rel.db")
    assert len(again) == 4
    again.close()


def test_the_file_is_in_wal_mode_and_synchronised_at_each_commit(open_file):
    stream = open_file()
    with stream._reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_missing_folder_is_named_when_the_stream_is_opened(open_file, tmp_path):
    with pytest.raises(StreamError, match=r"no folder '.*nowhere'"):
        open_file(tmp_path / "nowhere" / "events.db")


def test_a_folder_is_no_stream(open_file, tmp_path):
    with pytest.raises(StreamError, match="unable to open database file"):
        open_file(tmp_path)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(open_file, tmp_path):
    (tmp_path / "events.db").write_text("a,b\n1,2\n" * 500)
    with pytest.raises(StreamError, match="file is not a database") as caught:
        open_file()
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert (tmp_path / "events.db").read_text() == "a,b\n1,2\n" * 500


def test_a_damaged_file_is_a_stream_error(open_file, tmp_path):
    stream = open_file()
    stream.push(["x" * 1000] * 200)
    stream.close()
    with (tmp_path / "events.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 100_000)
    with pytest.raises(StreamError, match="malformed"):
        stream.read()


def test_a_file_that_others_write_for_too_long_is_a_stream_error(open_file, tmp_path):
    stream = open_file(busy_timeout_s=0.05)
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StreamError, match="database is locked"):
        stream.push(1)
    assert stream.read() == []  # readers do not wait for writers
    other.execute("ROLLBACK")
    other.close()
    stream.push(2)
    assert stream.read() == [2]


@pytest.fixture
def locked_by_another(tmp_path):
    """A new database, not in WAL mode yet, that another connection holds for itself."""
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs (x)")
    other.execute("BEGIN EXCLUSIVE")
    yield other
    other.close()


def test_opening_waits_for_another_process_that_is_opening(open_file, locked_by_another):
    timer = threading.Timer(0.1, locked_by_another.execute, ["COMMIT"])
    timer.start()
    open_file().push(1)
    timer.join()


def test_opening_waits_no_longer_than_the_busy_timeout(open_file, locked_by_another):
    with pytest.raises(StreamError, match="database is locked"):
        open_file(busy_timeout_s=0.05)


def test_a_place_without_a_write_ahead_log_is_refused(tmp_path, monkeypatch):
    # SQLite keeps a database in memory out of WAL mode, as it does on some network disks
    connect = sqlite3.connect
    monkeypatch.setattr("graphkit.streams.file.sqlite3.connect", lambda path, **kwargs: connect(":memory:", **kwargs))
    with pytest.raises(StreamError, match=r"allows no write-ahead log \(SQLite stays in mode 'memory'\)"):
        FileStream(f"file://{tmp_path}/events.db")


def test_an_sqlite_without_returning_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("graphkit.streams.file.sqlite3.sqlite_version_info", (3, 34, 1))
    with pytest.raises(StreamError, match=r"need SQLite 3\.35 or later"):
        FileStream(f"file://{tmp_path}/events.db")


def test_a_removed_file_is_made_again_instead_of_writing_into_nothing(open_file, tmp_path):
    stream = open_file()
    stream.push(1)
    for path in tmp_path.iterdir():
        path.unlink()
    stream.push(2)
    assert open_file().read() == [2]


def test_a_removed_folder_is_a_stream_error(open_file, tmp_path):
    (tmp_path / "sub").mkdir()
    stream = open_file(tmp_path / "sub" / "events.db")
    shutil.rmtree(tmp_path / "sub")
    with pytest.raises(StreamError, match="no folder"):
        stream.push(1)


def test_an_interrupted_write_leaves_nothing_behind(open_file):
    stream = open_file()

    def interrupted():
        with stream._writing() as db:
            db.execute("INSERT INTO graphkit_entries (stream, body, pushed) VALUES ('default', '1', 1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.read() == []
    stream.push(1)
    assert stream.read() == [1]


def test_a_disk_that_fills_up_is_a_stream_error_and_the_file_stays_whole(tmp_path, start_python):
    pytest.importorskip("resource", reason="limits of file sizes are a POSIX matter")
    code = """
import resource, signal, sys
from graphkit.core.errors import StreamError
from graphkit.streams.file import FileStream

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
stream = FileStream(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
stored = 0
try:
    while stored < 10_000:
        stream.push(["x" * 1000] * 10)
        stored += 10
except StreamError as exc:
    print(stored, type(exc.__cause__).__name__)
"""
    out, err = start_python(code, f"file://{tmp_path}/full.db").communicate(timeout=120)
    assert err == ""
    stored, cause = out.split()
    assert cause == "OperationalError"
    stream = FileStream(f"file://{tmp_path}/full.db")
    assert len(stream) == int(stored) > 0
    stream.push("room again")
    assert stream.read(int(stored)) == ["room again"]
    stream.close()


# Newer Pythons warn of forks beside threads; that they do happen is the reason for these tests.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@forks
def test_a_fork_leaves_both_sides_with_a_working_stream(open_file, tmp_path):
    stream = open_file()
    stream.push("before")
    context = multiprocessing.get_context("fork")
    child = context.Process(target=stream.push, args=("child",))
    child.start()
    stream.push("parent")
    child.join()
    assert child.exitcode == 0
    assert sorted(stream.read()) == ["before", "child", "parent"]


@forks
def test_a_fork_while_another_thread_writes_loses_nothing(open_file):
    stream = open_file()
    stop, pushed = threading.Event(), []

    def push():
        while not stop.is_set():
            stream.push(len(pushed))
            pushed.append(len(pushed))

    thread = threading.Thread(target=push)
    thread.start()
    children = [multiprocessing.get_context("fork").Process(target=stream.push, args=("child",)) for _ in range(5)]
    for child in children:
        time.sleep(0.01)
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    stop.set()
    thread.join()
    stored = stream.read()
    assert stored.count("child") == 5
    assert [body for body in stored if body != "child"] == pushed


def test_a_forgotten_stream_is_closed(tmp_path):
    stream = FileStream(f"file://{tmp_path}/events.db")
    stream.push(1)
    db = stream._db
    del stream
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")
