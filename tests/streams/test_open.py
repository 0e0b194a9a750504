import threading

import pytest

from graphkit.core.errors import StreamError
from graphkit.streams.file import FileStream
from graphkit.streams.memory import MemoryStream
from graphkit.streams.open import Opener


@pytest.fixture
def opener():
    return Opener()


def test_the_scheme_chooses_the_driver(opener, tmp_path):
    assert isinstance(opener.open("memory://a"), MemoryStream)
    stream = opener.open(f"file://{tmp_path}/a.db")
    assert isinstance(stream, FileStream)
    stream.close()


def test_the_scheme_may_be_written_in_capitals(opener):
    assert opener.open("MEMORY://a") is opener.open("memory://a")


def test_a_name_in_memory_is_one_stream_for_all_who_open_it(opener):
    opener.open("memory://a").push(1)
    assert opener.open("memory://a").read() == [1]
    assert opener.open("memory://b").read() == []


def test_closing_a_memory_stream_takes_it_away_from_nobody(opener):
    first, second = opener.open("memory://a"), opener.open("memory://a")
    first.push(1)
    first.close()
    assert second.read() == [1]


def test_two_openers_share_no_names():
    first, second = Opener(), Opener()
    first.open("memory://a").push(1)
    assert second.open("memory://a").read() == []


def test_threads_that_open_a_name_at_once_get_the_same_stream(opener):
    barrier, got = threading.Barrier(8), []

    def open_it():
        barrier.wait()
        got.append(opener.open("memory://a"))

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(stream) for stream in got}) == 1


def test_opening_a_name_again_with_other_options_is_an_error(opener):
    opener.open("memory://a", maxlen=5)
    assert opener.open("memory://a").maxlen == 5
    assert opener.open("memory://a", maxlen=5).maxlen == 5
    with pytest.raises(StreamError, match="is open already, with maxlen=5, not 6"):
        opener.open("memory://a", maxlen=6)
    with pytest.raises(StreamError, match="with retention_in_hours=the default, not 1"):
        opener.open("memory://a", retention_in_hours=1)


def test_options_that_are_none_count_as_not_given(opener):
    assert opener.open("memory://a", shards=None, retention_in_hours=None, maxlen=None).maxlen == 100_000


def test_options_reach_the_driver(opener, tmp_path):
    stream = opener.open(f"file://{tmp_path}/a.db", stream="clicks", shards=2, retention_in_hours=1)
    stream.push(1)
    other = opener.open(f"file://{tmp_path}/a.db")
    assert (stream.read(), other.read()) == ([1], [])
    stream.close()
    other.close()


def test_unknown_options_are_all_named_with_the_nearest(opener):
    with pytest.raises(StreamError) as caught:
        opener.open("memory://a", max_len=5, retention=1)
    assert "no option 'max_len', did you mean 'maxlen'?" in str(caught.value)
    assert "no option 'retention', did you mean 'retention_in_hours'?" in str(caught.value)
    assert "there is 'drop_oldest', 'maxlen', 'retention_in_hours', 'shards'" in str(caught.value)


def test_unknown_options_in_the_url_are_named(opener):
    with pytest.raises(StreamError, match="no option 'steam', there is 'stream', did you mean 'stream'"):
        opener.open("file://a.db?steam=x")
    with pytest.raises(StreamError, match="memory:// URL has no option 'maxlen'"):
        opener.open("memory://a?maxlen=5")


def test_a_url_and_an_option_that_contradict_each_other_are_an_error(opener, tmp_path):
    with pytest.raises(StreamError, match="the URL names the stream 'a', the option 'stream' 'b'"):
        opener.open(f"file://{tmp_path}/a.db?stream=a", stream="b")


@pytest.mark.parametrize("scheme", ["redis", "rediss", "kafka", "v3io", "nats", "http"])
def test_systems_without_a_driver_are_named_beside_what_there_is(opener, scheme):
    with pytest.raises(StreamError, match=rf"there is no driver for {scheme}:// streams here: .*file://, memory://$"):
        opener.open(f"{scheme}://host/clicks")


def test_a_misspelt_scheme_gets_the_nearest_one(opener):
    with pytest.raises(StreamError, match="did you mean 'memory'"):
        opener.open("memroy://a")


def test_a_password_in_a_url_never_stands_in_an_error(opener):
    with pytest.raises(StreamError) as caught:
        opener.open("memory://me:pw@host", max_len=1)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("url", [None, "", "clicks", "memory://"])
def test_what_is_no_url_is_refused(opener, url):
    with pytest.raises(StreamError):
        opener.open(url)


def test_a_driver_of_ones_own_is_found_by_its_scheme():
    opener = Opener({"list": "graphkit.streams.memory:MemoryStream"})
    assert opener.open("list://a").url == "list://a"


def test_its_repr_names_the_schemes(opener):
    assert repr(opener) == "Opener(file, memory)"


def test_drivers_are_imported_only_when_they_are_opened(start_python):
    code = "import sys, graphkit.streams.open; print(sorted({'sqlite3', 'pandas'} & set(sys.modules)))"
    out, err = start_python(code).communicate()
    assert (out.strip(), err) == ("[]", "")
