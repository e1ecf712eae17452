"""Which credentials an environment names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vncproxy.aliyun.credentials import KEY_ID, KEY_SECRET, TOKEN, Credentials
from vncproxy.aliyun.credentials_chain import ChainCredentials
from vncproxy.aliyun.credentials_source import credentials_source
from vncproxy.errors import ConfigError


async def test_static_keys_of_the_environment() -> None:
    """Key id, secret and, if there is one, the STS token; blanks around them don't matter."""
    source = credentials_source({KEY_ID: " id ", KEY_SECRET: "secret\n", TOKEN: ""})
    assert await source.get() == Credentials("id", "secret", None, "env")
    assert await source.refresh() == await source.get()
    source = credentials_source({KEY_ID: "id", KEY_SECRET: "secret", TOKEN: "token"})
    assert (await source.get()).security_token == "token"


@pytest.mark.sockets
def test_static_keys_need_no_sdk() -> None:
    """The SDK costs time and memory: it isn't imported for keys from the environment."""
    program = (
        "import asyncio, sys\n"
        "from vncproxy.aliyun.credentials_source import credentials_source as source\n"
        f"made = source({{{KEY_ID!r}: 'a', {KEY_SECRET!r}: 'b'}})\n"
        "asyncio.run(made.get())\n"
        "import vncproxy.aliyun.client\n"
        "heavy = ('alibabacloud', 'Tea', 'requests')\n"
        "sys.exit(any(name.startswith(heavy) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "environ", [{}, {KEY_ID: "id"}, {KEY_SECRET: "s"}, {KEY_ID: "", TOKEN: "t"}]
)
def test_without_both_keys_the_chain_is_asked(environ: dict[str, str]) -> None:
    """Half a pair is no pair, as in the official chain."""
    assert isinstance(credentials_source(environ), ChainCredentials)


@pytest.mark.parametrize("secret", ["two words", "line\nbreak", "ümlaut", "x" * 20000])
def test_keys_that_cannot_be_sent_are_refused(secret: str) -> None:
    """They are a wrong configuration, in words that don't repeat them."""
    with pytest.raises(ConfigError, match=f"environment: {KEY_ID}, {KEY_SECRET}: ") as caught:
        credentials_source({KEY_ID: "id", KEY_SECRET: secret})
    assert caught.value.__context__ is None
    assert secret not in caught.value.public_text
