"""Which file the configuration comes from, and the folders that depend on the user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from vncproxy.config.model import Config
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

SYSTEM_FILE = Path("/etc/vncproxy/vncproxy.toml")
USER_FILE = ".config/vncproxy/vncproxy.toml"
AUDIT_NAME = "audit.jsonl"
USER_STATE = ".local/state/vncproxy"


def find_file(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read; None: there is none, so the defaults count.

    The order: `named`, $VNCPROXY_CONFIG, ~/.config/vncproxy/vncproxy.toml, then
    /etc/vncproxy/vncproxy.toml. The first two needn't exist: reading them fails then.

    Args:
        named: What `--config` names.
        environ: The environment's variables.
    """
    if named is not None:
        return named
    if variable := environ.get("VNCPROXY_CONFIG"):
        return Path(variable)
    home = home_folder(environ)
    candidates = [SYSTEM_FILE] if home is None else [home / USER_FILE, SYSTEM_FILE]
    return next((file for file in candidates if _is_there(file)), None)


def home_folder(environ: Mapping[str, str]) -> Path | None:
    """The user's home: $HOME, else the account's; None for an account without one."""
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def state_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where the ledger, the token and what was learned are kept; it need not exist yet.

    The setting, else the first folder of $STATE_DIRECTORY (systemd sets it: systemd.exec(5)), else
    ~/.local/state/vncproxy.

    Raises:
        ConfigError: The account has none of them.
    """
    if config.state.directory is not None:
        return config.state.directory
    if first := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(first)
    home = home_folder(environ)
    if home is None:
        problem = ConfigProblem(
            Text("defaults"),
            "[state] directory",
            Text("an account without a home"),
            Text("a folder to be named"),
        )
        raise ConfigError([problem])
    return home / USER_STATE


def token_path(config: Config, state: Path) -> Path:
    """Where the owner's token is: the setting, else `token` in the state folder."""
    return config.access.token_file or state / "token"


def control_path(state: Path) -> Path:
    """Where commands of the daemon's own account, and of root, find it whatever its doors are."""
    return state / "control.sock"


def audit_path(config: Config, state: Path) -> Path:
    """Where the audit is: the setting, else `audit.jsonl` in the state folder."""
    return config.audit.file or state / AUDIT_NAME


def recordings_path(config: Config, state: Path) -> Path:
    """Where recordings are: the setting, else `recordings` in the state folder."""
    return config.recording.directory or state / "recordings"


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        # Behind a folder that this user may not enter: reading it says so, where going on without
        # it would use other settings than meant.
        return True
