"""URLs in settings."""

from __future__ import annotations

import pytest

from vncproxy.config.url import are_origins, is_endpoint, is_origin_or_empty, is_page


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
