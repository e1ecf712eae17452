"""What the cloud's API answers, and the VncUrl in one of the answers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import cast

import aiohttp

from tests.fuzz.loop import run
from tests.fuzz.target import Choices, Target
from vncproxy.aliyun.client import EcsClient
from vncproxy.aliyun.credentials import Credentials, StaticCredentials
from vncproxy.aliyun.power import PowerAction
from vncproxy.aliyun.proxies import EnvironmentProxies
from vncproxy.aliyun.vncurl import VncUrl, official_page_url
from vncproxy.errors import REASON_MAX_BYTES, CloudError

REGION, INSTANCE = "cn-hangzhou", "i-bp1hzoinajzkh91h"
STATUSES = (200, 200, 200, 204, 302, 400, 403, 404, 429, 500, 503)
CALLS = 7
BODY_MAX_BYTES = 16 * 1024


class _Content:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        yield self._body


class _Session:
    """Gives the same answer to every request."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.content = status, headers, _Content(body)

    def request(self, *_: object, **__: object) -> _Session:
        return self

    async def __aenter__(self) -> _Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def close(self) -> None:
        pass


@lru_cache(1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _call(client: EcsClient, number: int) -> None:
    match number:
        case 0:
            await client.vnc_url(INSTANCE, REGION)
        case 1:
            for instance in await client.instances(REGION):
                # Names go to pages, logs and tables: nothing in them may be unwritable.
                repr(instance).encode()
        case 2:
            await client.status(INSTANCE, REGION)
        case 3:
            picture = await client.screenshot(INSTANCE, REGION)
            assert picture.content_type in ("image/png", "image/jpeg")
        case 4:
            log = await client.boot_log(INSTANCE, REGION)
            assert all(character in "\n\t" or character.isprintable() or ord(character) > 0x9F
                       for character in log.text)  # fmt: skip
        case 5:
            await client.power(PowerAction.RESTART, INSTANCE, REGION)
        case _:
            await client.may_open(INSTANCE, REGION)


def api_answer(data: bytes) -> None:
    """One HTTP answer to a call: its result, or a CloudError that may be shown to anybody."""
    choices = Choices(data)
    number, status = choices.number(CALLS - 1), STATUSES[choices.number(len(STATUSES) - 1)]
    headers = {
        "Date": choices.take(choices.number(40)).decode("latin-1"),
        "X-Acs-Retry-After": choices.take(choices.number(12)).decode("latin-1"),
    }
    client = EcsClient(
        cast(aiohttp.ClientSession, _Session(status, headers, choices.rest)),
        StaticCredentials(Credentials("id", "secret", None, "")),
        endpoint=None,
        call_timeout_s=600.0,
        ssl_context=_tls(),
        proxies=EnvironmentProxies({}),
    )
    try:
        run(_call(client, number))
    except CloudError as error:
        assert error.public_text.isprintable()
        assert len(error.close_reason().reason.encode()) <= REASON_MAX_BYTES
        assert error.retry_after_s is None or 0 < error.retry_after_s <= 3600


def vnc_url(data: bytes) -> None:
    """The VncUrl's text: a URL that is one, or a CloudError that holds nothing of it."""
    choices = Choices(data)
    errors = ("strict", "surrogatepass", "replace")[choices.number(2)]
    answer: str | bytes
    try:
        answer = choices.rest.decode("utf-8", errors)
    except UnicodeDecodeError:
        answer = choices.rest
    try:
        url = VncUrl.decode(answer, 0.0)
    except CloudError as error:
        assert len(answer) < 12 or str(answer) not in error.public_text
        return
    text = url.reveal()
    assert text.isascii() and text.isprintable()
    assert 0 < url.port < 1 << 16
    assert url.host and url.secure == text.lower().startswith("wss:")
    assert text not in repr(url)
    page = official_page_url("https://example.com/", url, INSTANCE, windows=False, password="a b")
    assert page.isascii() and page.isprintable() and " " not in page


TARGETS: tuple[Target, ...] = (
    Target(
        "api-answer",
        api_answer,
        BODY_MAX_BYTES,
        (
            b'{"VncUrl":"wss%3A%2F%2F',
            b'{"Instances":{"Instance":[{"InstanceId":"i-1"',
            b'"Tags":{"Tag":[{"TagKey":"',
            b'"NextToken":"',
            b'{"Screenshot":"iVBORw0KGgo',
            b'{"ConsoleOutput":"',
            b'"LastUpdateTime":"2026-11-30 10:00:00"',
            b'{"Code":"IncorrectInstanceStatus"',
            b'{"Code":"InvalidTimeStamp.Expired"',
            b'{"Code":"SignatureNonceUsed"',
            b'"RequestId":"',
            b"\\ud800",
        ),
    ),
    Target("vnc-url", vnc_url, 9000, (b"wss%3A%2F%2F", b"ws://", b"%252F", b"@", b"[::1]", b":80")),
)
