import pytest

from graphkit.core.urls import is_below, scheme_of, shown_url


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


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://a.example/v1/x?y=../..", "https://a.example/v1"),
        ("https://a.example/v1", "https://a.example/v1/"),
        ("HTTPS://A.example:443/v1", "https://a.example"),
        ("https://me:pw@a.example/v1", "https://a.example/v1"),
        ("http://a.example:80", "http://a.example"),
        ("http://anything.example:99/x", "http://"),
        ("s3://bucket/key/x", "s3://bucket/key"),
        ("https://a.example/a%2Fb", "https://a.example/a"),
        ("https://a.example/100%25", "https://a.example/100%25"),
    ],
)
def test_what_is_below_a_prefix(url, prefix):
    assert is_below(url, prefix)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://a.example/v10", "https://a.example/v1"),
        ("http://a.example/v1", "https://a.example/v1"),
        ("https://a.example:444/v1", "https://a.example"),
        ("https://a.example.evil.example/v1", "https://a.example"),
        ("https://a.example@evil.example/v1", "https://a.example"),
        ("https://evil.example/https://a.example/v1", "https://a.example"),
        ("https://a.example\\@evil.example/", "https://a.example"),
        ("https://evil.example\\@a.example/", "https://a.example"),
        ("https://x@evil.example@a.example/", "https://a.example"),
        ("https://evil.example /@a.example/", "https://a.example"),
        ("https://a.example\t.evil.example/", "https://a.example"),
        ("https://a.example/v1/../admin", "https://a.example/v1"),
        ("https://a.example/v1/%2e%2e/admin", "https://a.example/v1"),
        ("https://a.example/v1/..%2Fadmin", "https://a.example/v1"),
        ("https://a.example/v1/%252e%252e/admin", "https://a.example/v1"),
        ("https://a.example:port/", "https://"),
        ("https:///etc/passwd", "https://"),
        ("https://[::1/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("", "https://"),
    ],
)
def test_what_is_not(url, prefix):
    assert not is_below(url, prefix)


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        (" \n\x00file:///x", "file"),
        ("FILE:x", "file"),
        ("simplecache::file:///x", "simplecache"),
        ("a::b", ""),
        ("see https://x", ""),
        ("http:x", ""),
        ("data:text/plain,x", ""),
    ],
)
def test_schemes(text, scheme):
    assert scheme_of(text) == scheme
