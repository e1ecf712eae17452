"""A simulated cloud, a configuration for it, and the keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vncproxy.config.load import Loaded
from vncproxy.config.model import Aliyun, Config, Instance, Listen, State
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
class Desk:
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

    def loaded(self, *aliases: str, **sections: Any) -> Loaded:
        """The same, as if read from a file."""
        return Loaded(self.config(*aliases, **sections), self.folder / "vncproxy.toml")
