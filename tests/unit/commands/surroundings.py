"""A simulated cloud, a configuration for it, and the keys."""

from __future__ import annotations

import argparse
import io
from contextlib import AbstractAsyncContextManager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.setup import Running, running
from tests.unit.recording.surroundings import new_file
from vncproxy.cli import main, parser
from vncproxy.commands.check_steps import check
from vncproxy.commands.command import USAGE
from vncproxy.commands.output import Finding
from vncproxy.config.load import Loaded
from vncproxy.config.model import Aliyun, Config, Instance, Listen, State
from vncproxy.recording.file_format import Kind
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import server_init
from vncproxy.simulator.settings import AccessKey, SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

DEMO = SimulatedInstance()
STOPPED = SimulatedInstance(instance_id="i-bp1demo0000000000002", name="stopped", status="Stopped")
KEY = AccessKey()
DENIED = AccessKey(
    key_id="denied-key",
    secret="denied-secret",
    denied_actions=frozenset({"DescribeInstanceVncUrl"}),
)
SETTINGS = SimulatorSettings(instances=(DEMO, STOPPED), keys=(KEY, DENIED), animated=False)


def environ(key: AccessKey = KEY) -> dict[str, str]:
    """The variables that a person would export."""
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key.key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret,
    }


@dataclass(frozen=True)
class Installation:
    """What a command starts from."""

    cloud: Simulator
    folder: Path
    port: int

    def config(self, *aliases: str, **sections: Any) -> Config:
        """A configuration with these instances, by default the one that runs."""
        wanted = aliases or (DEMO.name,)
        return Config(
            listen=sections.pop("listen", (Listen(address=f"127.0.0.1:{self.port}"),)),
            aliyun=sections.pop("aliyun", Aliyun(endpoint=self.cloud.endpoint)),
            state=sections.pop("state", State(directory=self.folder / "state")),
            instance=sections.pop(
                "instance",
                tuple(
                    Instance(id=one.instance_id, alias=one.name)
                    for one in self.cloud.settings.instances
                    if one.name in wanted
                ),
            ),
            **sections,
        )

    def daemon(self, config: Config) -> AbstractAsyncContextManager[Running]:
        """The daemon with this configuration's doors and instances; see `tests.setup.running`."""
        return running(
            self.folder, cloud=self.cloud, listen=config.listen, instance=config.instance
        )

    def loaded(self, *aliases: str, **sections: Any) -> Loaded:
        """The same, as if read from a file."""
        return Loaded(self.config(*aliases, **sections), self.folder / "vncproxy.toml")


async def found(
    loaded: Loaded, key: AccessKey = KEY, name: str | None = None
) -> dict[str, Finding]:
    """All findings by what was looked at."""
    return {finding.what: finding async for finding in check(loaded, environ(key), name)}


def failures(findings: dict[str, Finding]) -> list[str]:
    """What isn't well."""
    return [what for what, finding in findings.items() if not finding.ok]


def recording_file(path: Path, *, blocks: int = 2) -> Path:
    """A recording of an hour and a bit."""
    file = new_file(path)
    for number in range(blocks):
        opening = server_init(1024, 768, PixelFormat(), "guest")
        file.begin(number, opening, whole=bool(number), continues=bool(number))
        file.add(number, Kind.LIVE, [b"\x02"])
    assert file.close(3_661_500) is None
    return path


def options_of(*arguments: str) -> argparse.Namespace:
    """What the whole command line's parser makes of these."""
    return parser().parse_args(arguments)


def refuses(*arguments: str) -> bool:
    """Whether they are wrong usage: exit status 2, and a sentence on standard error."""
    with redirect_stderr(io.StringIO()) as problem:
        try:
            status = main(arguments)
        except SystemExit as end:
            return end.code == USAGE and bool(problem.getvalue())
    return status == USAGE and bool(problem.getvalue())
