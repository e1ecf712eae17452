"""`vncproxy instances`: what may be opened, or those of it that have certain words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vncproxy.commands.command import DONE, Command, add_config, add_json
from vncproxy.commands.output import (
    aligned,
    print_json,
    print_lines,
    print_problem,
    require_output,
)
from vncproxy.commands.running import run_with_config
from vncproxy.errors import ConfigError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config


_HEADINGS = (
    Text("ALIAS"),
    Text("NAME"),
    Text("ID"),
    Text("REGION"),
    Text("STATUS"),
    Text("ON"),
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        metavar="WORDS",
        nargs="*",
        help="only those whose name, alias, id, region or tags have all of them",
    )
    add_config(parser)
    add_json(parser)


def _run(options: argparse.Namespace) -> int:
    from vncproxy.instances.search import has_words

    require_output()

    async def work(config: Config) -> int:
        answer = await instances(config, os.environ)
        rows = [row for row in answer["instances"] if has_words(row, options.words)]
        if options.json:
            print_json(rows)
        else:
            print_lines(table(rows))
        if answer["problem"]:
            print_problem(
                Text("the state is unknown: {text}", text=Text(answer["problem"]["text"]))
            )
        return DONE

    return run_with_config(options, work)


async def instances(config: Config, environ: Mapping[str, str]) -> dict[str, Any]:
    """The rows of `GET /api/v1/instances`, from the daemon, or without one from the cloud itself.

    Returns:
        `instances`, the rows, and `problem`, None or why the cloud's list didn't come.

    Raises:
        ConfigError: The settings of the cloud can't be used.
        AccessError: The daemon refused.
        CloudError: The cloud did.
    """
    from vncproxy.commands.daemon_client import NoDaemonError, daemon_client

    try:
        async with daemon_client(config, environ) as daemon:
            answer: dict[str, Any] = await daemon.call("GET", "/api/v1/instances")
            return {"instances": answer["instances"], "problem": answer["problem"]}
    except (NoDaemonError, ConfigError):
        # Also for a user who may not read the daemon's token.
        return await _from_the_cloud(config, environ)


async def _from_the_cloud(config: Config, environ: Mapping[str, str]) -> dict[str, Any]:
    from vncproxy.instances.configured import inventory_of
    from vncproxy.service.cloud_client import cloud_of

    async with cloud_of(config, environ) as cloud:
        inventory = inventory_of(config, cloud.client)
        rows: list[dict[str, Any]] = [
            {
                "alias": one.alias,
                "id": one.id,
                "name": one.name,
                "region": one.region,
                "windows": one.windows,
                "os": one.os_name,
                "tags": dict(one.tags),
                "status": one.status or None,
                "power": None,
                "missing": one.missing,
                "role": None,
                "state": None,
                "viewers": [],
            }
            for one in await inventory.all()
        ]
        problem = inventory.problem
    return {
        "instances": rows,
        "problem": problem and {"code": problem.code, "text": problem.public_text},
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for people."""
    lines: list[tuple[str, ...]] = [_HEADINGS]
    for row in rows:
        on = ", ".join(f"{v['user']}" for v in row["viewers"]) or "-"
        status = (
            Text("not in the cloud")
            if row["missing"]
            else Text(row["status"])
            if row["status"]
            else Text("unknown")
        )
        lines.append((row["alias"], row["name"] or "-", row["id"], row["region"], status, on))
    return aligned(lines)


COMMAND = Command(
    "instances",
    "list what may be opened",
    (
        "vncproxy instances --json",
        "vncproxy instances web cn-hangzhou",
        "vncproxy instances team=shop",
    ),
    _add_arguments,
    _run,
)
