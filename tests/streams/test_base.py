import pytest

from graphkit.core.errors import StreamError
from graphkit.streams.base import frame_of, split_url


@pytest.mark.parametrize(
    ("url", "place", "query"),
    [
        ("file://events.db", "events.db", {}),
        ("file://./events.db", "./events.db", {}),
        ("file:///tmp/x/events.db?stream=a", "/tmp/x/events.db", {"stream": "a"}),
        ("FILE://a%3Fb%20c.db", "a?b c.db", {}),
        ("file://50%.db?stream=a%26b", "50%.db", {"stream": "a&b"}),
    ],
)
def test_urls_are_taken_apart(url, place, query):
    assert split_url(url) == ("file", place, query)


@pytest.mark.parametrize("url", ["", "events.db", "/tmp/events.db", None, 5])
def test_what_has_no_scheme_is_refused(url):
    with pytest.raises(StreamError, match=r"starts with a scheme, such as memory://name"):
        split_url(url)


@pytest.mark.parametrize("url", ["memory://", "file://?stream=a"])
def test_a_url_without_a_place_is_refused(url):
    with pytest.raises(StreamError, match="nothing stands after"):
        split_url(url)


def test_an_option_that_stands_twice_is_refused():
    with pytest.raises(StreamError, match="twice"):
        split_url("file://a.db?stream=a&stream=b")


def test_frames_hold_nested_bodies_as_objects():
    frame = frame_of([{"a": {"b": 1}}, [1, 2]])
    assert frame["a"][0] == {"b": 1}
    assert frame["body"][1] == [1, 2]
