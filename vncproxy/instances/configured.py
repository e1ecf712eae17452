"""The instances of the configuration, with the passwords that their files hold."""

from __future__ import annotations

from vncproxy.config.model import Config
from vncproxy.config.secrets import read_vnc_password
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList, Lister


def instances_of(config: Config) -> list[ConsoleInstance]:
    """The instances of the configuration, with their VNC passwords.

    Raises:
        ConfigError: The configuration is wrong.
    """
    return [
        ConsoleInstance(
            id=one.id,
            region=one.region or config.aliyun.region,
            alias=one.name,
            windows=one.windows,
            password=read_vnc_password(one.password_file).reveal() if one.password_file else None,
        )
        for one in config.instance
    ]


def inventory_of(config: Config, cloud: Lister) -> InstanceList:
    """What may be opened by this configuration.

    Raises:
        ConfigError: The configuration is wrong.
    """
    return InstanceList(instances_of(config), cloud, config.aliyun.discover_in)


def native_passwords_of(config: Config) -> dict[str, str]:
    """What native viewers are asked for, by instance id.

    Raises:
        ConfigError: The configuration is wrong.
    """
    return {
        one.id: read_vnc_password(one.tcp_password_file).reveal()
        for one in config.instance
        if one.tcp_password_file is not None
    }
