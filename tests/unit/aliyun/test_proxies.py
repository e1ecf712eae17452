"""The proxy for a connection, from the environment."""

from __future__ import annotations

from base64 import b64decode

import pytest

from vncproxy.aliyun.proxies import METADATA_HOST, EnvironmentProxies, Proxy
from vncproxy.errors import ConfigError

ENVIRON = {"HTTPS_PROXY": "http://user:p%40ss@proxy.corp:3128", "http_proxy": "plain.corp:8080"}


def test_https_and_wss_take_https_proxy() -> None:
    """User and password become a header, hidden from what prints."""
    proxy = EnvironmentProxies(ENVIRON).proxy_for("ecs.x.aliyuncs.com", 443, secure=True)
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.url) == ("proxy.corp", 3128, "http://proxy.corp:3128")
    assert proxy.authorization is not None
    assert b64decode(proxy.authorization.removeprefix("Basic ")) == b"user:p@ss"
    assert proxy.authorization not in repr(proxy)


def test_http_and_ws_take_http_proxy() -> None:
    """A value without a scheme is an http:// proxy."""
    proxies = EnvironmentProxies(ENVIRON)
    assert proxies.proxy_for("a.b", 80, secure=False) == Proxy("plain.corp", 8080)


def test_lower_case_wins_and_nothing_means_direct() -> None:
    """As other programs do it."""
    both = {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"}
    assert EnvironmentProxies(both).proxy_for("x.y", 443, secure=True) == Proxy("a", 1)
    assert EnvironmentProxies({}).proxy_for("x.y", 443, secure=True) is None


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", METADATA_HOST]
)
def test_loopback_and_metadata_are_never_proxied(host: str) -> None:
    """Whatever the environment says."""
    assert EnvironmentProxies(ENVIRON).proxy_for(host, 443, secure=True) is None


@pytest.mark.parametrize(
    ("no_proxy", "proxied"),
    [
        ("*", False),
        ("aliyuncs.com", False),
        (".aliyuncs.com", False),
        ("ecs.x.aliyuncs.com:443", False),
        ("ecs.x.aliyuncs.com:80", True),
        ("other.com, ecs.x.aliyuncs.com", False),
        ("yuncs.com", True),
        ("", True),
    ],
)
def test_no_proxy_is_honoured(no_proxy: str, proxied: bool) -> None:
    """Names, suffixes, ports and the star."""
    proxies = EnvironmentProxies({**ENVIRON, "NO_PROXY": no_proxy})
    found = proxies.proxy_for("ecs.x.aliyuncs.com", 443, secure=True)
    assert (found is not None) == proxied


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("socks5://u:secret@p:1", "a socks5:// proxy; expected socks5h://HOST:PORT"),
        ("socks4://u:secret@p:1", "a socks4:// proxy"),
        ("secret://p:1", "a proxy of another kind"),
        ("http://", "no host's name or address"),
        ("http://u:secret@a b:1", "no host's name or address"),
        ("http://secret:x@p:port", "a port that is none; expected a port from 1 to 65535"),
        ("http://secret:x@p:0", "a port that is none"),
        ("http://secret:x@p:65536", "a port that is none"),
        ("http://secret:x@[fd00::1:3128", "an address with wrong brackets"),
        ("http://secret:x@[1.2.3.4]:3128", "brackets|no host's"),
        ("http://secret:x@[fd00::zz]:3128", "brackets|no host's"),
        ("socks5h://u:s\N{LATIN SMALL LETTER E WITH ACUTE}cret@p:1", "that SOCKS can't carry"),
        (f"socks5h://u:{'secret' * 50}@p:1", "that SOCKS can't carry"),
        ("http://u:secret\udce4@p:1", "a user or a password that isn't UTF-8"),
        ("socks5h://u\udce4:secret@p:1", "a user or a password that isn't UTF-8"),
    ],
)
def test_an_unusable_proxy_is_reported_without_its_password(value: str, found: str) -> None:
    """It is a wrong configuration, found at once and not at the first call."""
    with pytest.raises(ConfigError, match=f"HTTPS_PROXY: found .*({found})") as caught:
        EnvironmentProxies({"HTTPS_PROXY": value})
    assert "secret" not in caught.value.public_text
    assert caught.value.__context__ is None


def test_a_socks_proxy() -> None:
    """Its address for libraries has the login; it serves plain and secure connections alike."""
    proxies = EnvironmentProxies({"https_proxy": "socks5h://ann:p%40ss@proxy.corp"})
    proxy = proxies.proxy_for("ecs.x.aliyuncs.com", 443, secure=True)
    assert proxy is not None
    assert proxies.socks is proxy
    assert (proxy.socks, proxy.host, proxy.port) == (True, "proxy.corp", 1080)
    assert proxy.login == ("ann", "p@ss")
    assert proxy.url == "socks5h://proxy.corp:1080"
    assert proxy.url_with_login == "socks5h://ann:p%40ss@proxy.corp:1080"
    assert proxies.passwords == {"p@ss"}
    assert EnvironmentProxies(ENVIRON).socks is None


def test_a_socks_proxy_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is reported."""
    monkeypatch.setattr("vncproxy.aliyun.proxies.SOCKS_PACKAGES", ("no_such_package_here",))
    with pytest.raises(ConfigError, match=r"HTTP_PROXY: .*pip install 'vncproxy\[socks\]'"):
        EnvironmentProxies({"HTTP_PROXY": "socks5h://p:1"})


def test_proxies_by_tls_and_on_ipv6() -> None:
    """https:// proxies are spoken to by TLS; IPv6 addresses go in brackets."""
    proxies = EnvironmentProxies({"HTTPS_PROXY": "https://[fd00::1]"})
    proxy = proxies.proxy_for("a.b", 443, secure=True)
    assert proxy == Proxy("fd00::1", 443, secure=True)
    assert proxy is not None
    assert proxy.url == "https://[fd00::1]:443"


def test_passwords_are_reported_to_be_hidden() -> None:
    """Of both proxies, decoded; a user without one counts for nothing to be hidden."""
    assert EnvironmentProxies(ENVIRON).passwords == {"p@ss"}
    assert EnvironmentProxies({"HTTP_PROXY": "http://a:b:c@x", **ENVIRON}).passwords == {"p@ss"}
    assert EnvironmentProxies({"HTTP_PROXY": "http://a:b%3Ac@x"}).passwords == {"b:c"}
    assert EnvironmentProxies({}).passwords == set()
