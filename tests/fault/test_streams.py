"""Standard streams that are closed, or that can't be written to."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.fault.serving import VNCPROXY, Served, answers
from tests.setup import WAIT_S

SENTENCE = "vncproxy: the output can't be written: No space left on device\n"


async def serves_and_ends(folder: Path, closed: str) -> None:
    """A daemon that was started by a shell with these streams closed."""
    folder.mkdir()
    served = Served(folder, "https://127.0.0.1:1")
    command, environ = served.prepare()
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"exec {shlex.join(command)} {closed}"), env=environ
    )
    try:
        served.log.touch()
        await answers(f"{served.base}/healthz", process, served.log)
        # None of its files and sockets has taken a stream's number.
        for number in (0, 1, 2):
            if f"{number or ''}{'<' if number == 0 else '>'}&-" in closed.replace("1>", ">"):
                assert Path(f"/proc/{process.pid}/fd/{number}").readlink() == Path(os.devnull)
        process.terminate()
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_daemon_without_standard_streams(tmp_path: Path) -> None:
    """Whichever is closed, it serves and ends with 0."""
    async with asyncio.TaskGroup() as group:
        for place, closed in enumerate(("<&- >&- 2>&-", "<&-", "2>&-")):
            group.create_task(serves_and_ends(tmp_path / str(place), closed))


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    """The options that name a configuration."""
    file = tmp_path / "vncproxy.toml"
    file.write_text(
        '[aliyun]\nendpoint = "http://127.0.0.1:1"\n[[instance]]\nalias = "web-1"\nid = "i-1"\n'
        f'[state]\ndirectory = "{tmp_path / "state"}"\n[access]\nusers_file = "users.json"\n'
    )
    return ["--config", str(file)]


def run(
    *arguments: str, out: str, err: int | None = subprocess.PIPE, unbuffered: str = ""
) -> tuple[int, str]:
    """The status, and what was sent.

    Args:
        *arguments: Of vncproxy.
        out: The path of its standard output.
        err: None: the same.
        unbuffered: "1": every print writes at once.
    """
    with Path(out).open("w") as output:
        done = subprocess.run(
            [*VNCPROXY, *arguments],
            stdout=output,
            stderr=output if err is None else err,
            text=True,
            timeout=60.0,
            check=False,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": unbuffered,
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "k",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s",
            },
        )
    return done.returncode, done.stderr or ""


def test_output_that_cannot_be_written(settings: list[str]) -> None:
    """A sentence and status 1, whatever is printed: a table, JSON, the help."""
    for command, unbuffered in ((["instances"], ""), (["instances", "--json"], "1")):
        status, printed = run(*command, *settings, out="/dev/full", unbuffered=unbuffered)
        assert status == 1
        assert printed.endswith(SENTENCE)
        assert "Traceback" not in printed
        assert "Exception" not in printed
    assert run("--version", out="/dev/full") == (1, SENTENCE)


def test_errors_that_can_not_be_reported(settings: list[str]) -> None:
    """The status still says it."""
    assert run("serve", "--config", "/missing.toml", out="/dev/full", err=None)[0] == 78
