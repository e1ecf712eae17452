"""URLs in settings."""

from __future__ import annotations

import pytest

from vncproxy.config.url import are_origins, is_base, is_endpoint, is_origin_or_empty, is_page


@pytest.mark.parametrize(
    "text",
    [
        "https://ecs.cn-hangzhou.aliyuncs.com",
        "https://ecs.cn-hangzhou.aliyuncs.com/",
        "https://ecs.example.com:8443",
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[::1]:9000",
    ],
)
def test_endpoints(text: str) -> None:
    """An endpoint is https, or http to this machine."""
    assert is_endpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        "ecs.cn-hangzhou.aliyuncs.com",
        "http://ecs.cn-hangzhou.aliyuncs.com",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://host/path",
        "https://host?x",
        "https://host#x",
        "https://user@host",
        "https://user:pass@host",
        "http://127.0.0.1@evil.example",
        "https://host:",
        "https://host:0",
        "https://host:99999",
        "https://host:x",
        "https://ho st",
        "https://host\n",
        "https://[::1",
        "https://host\\x",
        "https://hösт",
    ],
)
def test_not_endpoints(text: str) -> None:
    """Whatever could send signed calls somewhere else, or in the clear, is refused."""
    assert not is_endpoint(text)


def test_pages() -> None:
    """The official page is https with a path, to which the query is added."""
    assert is_page("https://g.alicdn.com/aliyun/ecs-console-vnc2/0.0.8/index.html")
    assert not is_page("http://g.alicdn.com/index.html")
    assert not is_page("https://g.alicdn.com/index.html?")
    assert not is_page("https://g.alicdn.com/index.html#x")


def test_origins() -> None:
    """Origins are compared with what browsers send, so they have no path and aren't null."""
    assert are_origins(())
    assert are_origins(("https://bastion.example.com:8443", "http://localhost:3000"))
    for bad in ("null", "*", "https://a/", "https://a/x", "bastion:8443", "", "ws://a"):
        assert not are_origins(("https://a", bad))


def test_an_origin_or_nothing() -> None:
    """An address that people are told may be missing, but not be something else."""
    assert is_origin_or_empty("")
    assert is_origin_or_empty("https://bastion-2.example.com:8443")
    assert not is_origin_or_empty("https://bastion-2.example.com/console")


def test_where_another_daemon_is() -> None:
    """An address with a path if need be: nothing that a page could be sent astray with."""
    for good in ("https://b2.example.com", "http://10.0.0.2:6080", "https://b.example.com/vnc/2/"):
        assert is_base(good), good
    for bad in (
        "",
        "javascript:alert(1)",
        "//b2.example.com",
        "b2.example.com",
        "ftp://b2.example.com",
        "https://user@b2.example.com",
        "https://b2.example.com@evil.example",
        "https://b2.example.com?q",
        "https://b2.example.com/#f",
        "https://b2.example.com\\@evil.example",
        "https://b2.example.com/\n",
        f"https://b2.example.com/{'a' * 1100}",
    ):
        assert not is_base(bad), bad
