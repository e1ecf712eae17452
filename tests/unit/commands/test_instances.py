"""`vncproxy instances`, with and without a daemon."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import pytest

from tests.setup import running
from tests.unit.commands.surroundings import DENIED, Installation, environ
from vncproxy.commands.instances import COMMAND, instances, table
from vncproxy.errors import AccessError
from vncproxy.simulator.faults import ApiFault

pytestmark = pytest.mark.sockets


async def test_from_the_daemon(installation: Installation) -> None:
    """With who is on, and without a call of one's own: the keys aren't needed."""
    config = installation.config("demo", "stopped")
    async with installation.daemon(config) as setup:
        socket = await setup.http.ws_connect(
            f"{setup.base}/websockify/demo",
            headers={"Authorization": f"Bearer {token(installation)}"},
        )
        async with asyncio.timeout(60):
            assert await socket.receive_bytes() == b"RFB 003.008\n"
        calls = len(installation.cloud.calls)
        answer = await instances(config, {})
        assert answer["problem"] is None
        rows = {row["alias"]: row for row in answer["instances"]}
        assert [row["status"] for row in rows.values()] == ["Running", "Stopped"]
        assert [viewer["user"] for viewer in rows["demo"]["viewers"]] == ["owner"]
        assert {call.action for call in list(installation.cloud.calls)[calls:]} <= {
            "DescribeInstances",
            "DescribeInstanceVncUrl",
        }
        await socket.close()


def token(installation: Installation) -> str:
    """The daemon's."""
    return (installation.folder / "state" / "token").read_text().strip()


async def test_without_a_daemon(installation: Installation) -> None:
    """The cloud is asked directly; the rows have the same keys, and no state folder is made."""
    config = installation.config("demo", "stopped")
    alone = await instances(config, environ())
    assert not (installation.folder / "state").exists()
    assert [(row["alias"], row["status"]) for row in alone["instances"]] == [
        ("demo", "Running"),
        ("stopped", "Stopped"),
    ]
    async with installation.daemon(config):
        answer = await instances(config, environ())
        # Who may do what is for the daemon to say.
        assert [row.pop("role") for row in answer["instances"]] == ["admin", "admin"]
        assert [row.pop("role") for row in alone["instances"]] == [None, None]
        assert [row.pop("power") for row in answer["instances"]] == [False, False]
        assert [row.pop("power") for row in alone["instances"]] == [None, None]
        assert answer == alone


async def test_without_permission_to_list(installation: Installation) -> None:
    """The configured ones are listed, and why no state is known."""
    installation.cloud.faults.next("DescribeInstances", ApiFault.error("Forbidden.RAM"))
    answer = await instances(installation.config(), environ(DENIED))
    assert [(row["alias"], row["status"]) for row in answer["instances"]] == [("demo", None)]
    assert answer["problem"]["code"] == "Forbidden.RAM"


async def test_a_daemon_that_refuses_is_believed(installation: Installation) -> None:
    """With a wrong token there is no second way round the daemon."""
    config = installation.config()
    async with running(installation.folder, cloud=installation.cloud, listen=config.listen):
        # As another account, which the control socket doesn't let in.
        (installation.folder / "state" / "control.sock").unlink()
        (installation.folder / "state" / "token").write_text("wrong")
        with pytest.raises(AccessError):
            await instances(config, environ())


def test_the_table() -> None:
    """Columns line up, and no line ends in blanks."""
    rows: list[dict[str, Any]] = [
        {
            "alias": "web-1",
            "id": "i-1",
            "name": "Shop",
            "region": "cn-hangzhou",
            "status": None,
            "missing": False,
            "viewers": [],
        },
        {
            "alias": "gone",
            "id": "i-3",
            "name": "",
            "region": "r",
            "status": None,
            "missing": True,
            "viewers": [],
        },
        {
            "alias": "a",
            "id": "i-22",
            "name": "",
            "missing": False,
            "region": "r",
            "status": "Running",
            "viewers": [{"user": "ann"}, {"user": "ben"}],
        },
    ]
    assert table(rows) == [
        "ALIAS  NAME  ID    REGION       STATUS            ON",
        "web-1  Shop  i-1   cn-hangzhou  unknown           -",
        "gone   -     i-3   r            not in the cloud  -",
        "a      -     i-22  r            Running           ann, ben",
    ]
    assert table([]) == ["ALIAS  NAME  ID  REGION  STATUS  ON"]


def test_words_are_optional() -> None:
    """Several are taken."""
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    assert parser.parse_args([]).words == []
    assert parser.parse_args(["--json", "web", "team=shop"]).words == ["web", "team=shop"]
