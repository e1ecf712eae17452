"""An environment with which nothing would work: it is reported before the daemon has any effect."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fault.serving import Served
from tests.setup import WAIT_S

SECRET = "planted-secret"
WRONG = {
    "HTTPS_PROXY": (
        f"socks5://ann:{SECRET}@127.0.0.1:1080",
        f"http://ann:{SECRET}@proxy.test:port",
        f"http://ann:{SECRET}@[fd00::1:3128",
    ),
    "http_proxy": (f"ftp://ann:{SECRET}@proxy.test",),
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": (f"{SECRET} with a space",),
}


async def status_with(folder: Path, variable: str, value: str) -> None:
    """Start it."""
    folder.mkdir()
    served = Served(folder, "https://127.0.0.1:1", environ={variable: value})
    command, environ = served.prepare()
    process = await asyncio.create_subprocess_exec(
        *command, env=environ, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT_S):
        _, output = await process.communicate()
    assert process.returncode == 78, output
    assert f"environment: {variable}" in output.decode().replace(
        "ID, ALIBABA", "ID: ALIBABA"
    ).replace("environment: ALIBABA_CLOUD_ACCESS_KEY_ID: ", "environment: ")
    assert b"expected" in output
    assert SECRET.encode() not in output
    assert b"Traceback" not in output
    assert not (folder / "state" / "audit.jsonl").exists()


@pytest.mark.parametrize("variable", WRONG)
async def test_a_wrong_environment_is_a_wrong_configuration(tmp_path: Path, variable: str) -> None:
    """Status 78, so that nobody restarts it; variable and remedy; nothing in the audit."""
    async with asyncio.TaskGroup() as group:
        for place, value in enumerate(WRONG[variable]):
            group.create_task(status_with(tmp_path / str(place), variable, value))
