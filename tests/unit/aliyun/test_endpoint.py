"""Where the API is."""

from __future__ import annotations

import pytest

from vncproxy.aliyun.endpoint import Endpoint


def test_a_region_has_its_endpoint() -> None:
    """ecs.<region>.aliyuncs.com by https."""
    endpoint = Endpoint.of_region("cn-hangzhou")
    assert endpoint.origin == "https://ecs.cn-hangzhou.aliyuncs.com"
    assert endpoint.host_header == "ecs.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    ("text", "origin", "host_header"),
    [
        ("https://ecs-vpc.cn-hangzhou.aliyuncs.com", None, "ecs-vpc.cn-hangzhou.aliyuncs.com"),
        ("https://a.b:443/", "https://a.b", "a.b"),
        ("https://a.b:8443", None, "a.b:8443"),
        ("http://127.0.0.1:8080", None, "127.0.0.1:8080"),
        ("http://[::1]:8080", None, "[::1]:8080"),
        ("http://localhost", None, "localhost"),
    ],
)
def test_a_configured_endpoint(text: str, origin: str | None, host_header: str) -> None:
    """The Host header has the port only if it isn't the scheme's own."""
    endpoint = Endpoint.parse(text)
    assert endpoint.origin == (origin or text)
    assert endpoint.host_header == host_header


@pytest.mark.parametrize(
    "text", ["a.b", "ftp://a.b", "https://:1", "http://a.b", "https://u:p@a.b", "https://a.b/x?y"]
)
def test_an_improper_endpoint_is_refused_without_repeating_it(text: str) -> None:
    """Anything but an origin, and http:// beyond loopback, is a ValueError in plain words."""
    with pytest.raises(ValueError, match="endpoint") as caught:
        Endpoint.parse(text)
    assert text not in str(caught.value)
