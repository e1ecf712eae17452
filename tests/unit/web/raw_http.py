"""Requests byte by byte, as no library would send them, and answers taken apart."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

WAIT_S = 60.0


@dataclass
class Answer:
    """One HTTP answer; header names in lower case, `cookies` apart."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        assert self.headers["content-type"].startswith("application/json"), self
        return msgspec.json.decode(self.body)

    @property
    def word(self) -> str:
        """The word of a refusal, which repeats its status."""
        error = self.json["error"]
        assert error["status"] == self.status
        assert error["text"]
        word: str = error["word"]
        return word


async def ask(
    port: int,
    target: str,
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    host: str | None = "localhost",
) -> Answer:
    """Send one request on a connection of its own.

    Args:
        port: Of the door.
        target: Path and query.
        *headers: Whole lines.
        method: Of HTTP.
        body: After the head.
        host: None: without a Host header.
    """
    lines = [f"{method} {target} HTTP/1.1", *([] if host is None else [f"Host: {host}"]), *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1")
    return await send(port, head + b"\r\n\r\n" + body)


async def send(port: int, data: bytes) -> Answer:
    """Send bytes and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(WAIT_S):
            return parse(await reader.read())
    finally:
        writer.close()


def parse(data: bytes) -> Answer:
    """The parts of an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = [(name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in rest)]
    return Answer(
        int(first.split()[1]),
        dict(pairs),
        [value for name, value in pairs if name == "set-cookie"],
        body,
    )
