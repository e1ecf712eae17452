"""What is missing and needed later: logged at the start, not when the first console opens."""

from __future__ import annotations

import structlog

from vncproxy.aliyun.credentials import CredentialsSource
from vncproxy.config.model import Config
from vncproxy.errors import CloudError

_log = structlog.get_logger("vncproxy.service")

NO_INSTANCES = (
    "none is configured: add an [[instance]] block, or set discover = true under [aliyun]"
)


async def warn_of_missing(config: Config, credentials: CredentialsSource) -> None:
    """Warn, in the log, of a configuration without instances and of missing credentials."""
    if not config.instance and not config.aliyun.discover:
        _log.warning("instances.missing", text=NO_INSTANCES)
    try:
        await credentials.get()
    except CloudError as error:
        _log.warning("credentials.missing", text=error.public_text)
