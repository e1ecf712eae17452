"""Whatever a daemon or the cloud says, commands print no control characters of theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ESC = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202e\u2028\x7f"
ID = "i-bp1hostile0000000001"


def hostile(value: Any) -> Any:
    """The same with every text turned against the terminal."""
    if isinstance(value, str):
        return f"{value}{ESC}"
    if isinstance(value, list):
        return [hostile(one) for one in value]
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    return value


VIEWER = {
    "id": "v1",
    "user": "ann",
    "from": "127.0.0.1",
    "role": "control",
    "asks": True,
    "since": "1970-01-01T00:00:01Z",
    "identity": "peer",
    "rule": "rule 1",
    "to_viewer": {"bytes_per_s": 1},
    "from_viewer": {"bytes_per_s": 1},
    "record": True,
    "recorded": False,
    "may_control": True,
}
CONSOLE = {
    "instance": ID,
    "alias": "web-1",
    "region": "cn-hangzhou",
    "state": "running",
    "text": "Connected.",
    "since": "1970-01-01T00:00:01Z",
    "link_age_s": 1.0,
    "keepalive": "any",
    "controller": "v1",
    "wait_s": 3.0,
    "error": {"code": "Throttling", "text": "The cloud limits."},
    "budget_problem": "It can't be read.",
    "viewers": [VIEWER],
}
INSTANCE = {
    "alias": "web-1",
    "id": ID,
    "name": "web",
    "region": "cn-hangzhou",
    "windows": False,
    "os": "Debian",
    "tags": {"team": "shop"},
    "missing": False,
    "status": "Running",
    "role": "control",
    "state": "running",
    "viewers": [VIEWER],
}
ANSWERS: dict[str, tuple[int, Any]] = {
    "/healthz": (200, "ok"),
    "/api/v1/consoles": (200, {"consoles": [CONSOLE]}),
    "/api/v1/instances": (
        200,
        {"instances": [INSTANCE], "problem": {"code": "X", "text": "No."}, "user": "ann"},
    ),
    "/api/v1/tickets": (200, {"path": "/enter#ticket"}),
}
ECS_INSTANCE = {
    "InstanceName": "web",
    "Status": "Running",
    "RegionId": "cn-hangzhou",
    "OSType": "linux",
    "OSName": "Debian",
    "ZoneId": "cn-hangzhou-b",
    "Tags": {"Tag": [{"TagKey": "team", "TagValue": "shop"}]},
}


class _Handler(BaseHTTPRequestHandler):
    """A daemon and a cloud, both taken over."""

    def _answer(self) -> None:
        if self.path.startswith("/?"):
            rows = [{**hostile(ECS_INSTANCE), "InstanceId": ID}]
            listed: dict[str, Any] = {"Instances": {"Instance": rows}, "NextToken": ""}
            status, body = 200, listed
        elif self.command == "GET" and self.path == "/":
            status, body = 200, {}
        else:
            known = self.command in ("GET", "POST") and self.path in ANSWERS
            error = {"error": {"word": "no", "text": "The daemon refuses."}}
            status, body = ANSWERS[self.path] if known else (404, error)
            body = hostile(body)
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-Vncproxy-Daemon", "abc123")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
        """Quiet."""


@contextmanager
def taken_over() -> Iterator[int]:
    """Such a server; gives its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose daemon and cloud are taken over."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "daemon-id").write_text("abc123")
    (state / "token").touch(mode=0o600)
    (state / "token").write_text("planted-token-of-the-owner")
    file = tmp_path / "vncproxy.toml"
    file.touch(mode=0o600)
    with taken_over() as port:
        file.write_text(
            f'[[listen]]\naddress = "127.0.0.1:{port}"\n[state]\ndirectory = "{state}"\n'
            f'[aliyun]\nendpoint = "http://127.0.0.1:{port}"\ndiscover = true\n'
        )
        yield file


@pytest.mark.parametrize(
    "command",
    [
        ("instances",),
        ("instances", "--json"),
        ("consoles",),
        ("consoles", "--json"),
        ("kick", "web-1"),
        ("url", "web-1"),
        ("check",),
        ("check", "--json"),
        ("check", "--as", "ann"),
        ("check", f"web{ESC}"),
    ],
    ids=" ".join,
)
def test_no_control_characters_are_printed(config: Path, command: tuple[str, ...]) -> None:
    """In any column, of any command, on either stream."""
    done = subprocess.run(
        [sys.executable, "-m", "vncproxy", *command, "--config", str(config)],
        capture_output=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "key",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "planted-secret",
            "PYTHONIOENCODING": "utf-8",
        },
    )
    output = (done.stdout + done.stderr).decode()
    assert "Traceback" not in output
    assert output
    unfit = {one for one in output if unicodedata.category(one) in ("Cc", "Zl", "Zp")} - {"\n"}
    assert not unfit
    assert "\u202e" not in output
    if command[-1] == "--json":
        json.loads(done.stdout)
