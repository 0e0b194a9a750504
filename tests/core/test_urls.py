import pytest

from graphkit.core.urls import shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:pw@host:1/0?password=pw", "redis://***@host:1/0"),
        ("https://p@ss:w@rd@host/a@b", "https://***@host/a@b"),
        ("memory://a@b", "memory://***@b"),
        ("https://host?x=1", "https://host"),
        ("no url", "no url"),
        ("", ""),
    ],
)
def test_secrets_are_not_shown(url, shown):
    assert shown_url(url) == shown


def test_a_query_without_secrets_may_be_shown():
    assert shown_url("redis://me:pw@host/0?x=@", with_query=True) == "redis://***@host/0?x=@"
