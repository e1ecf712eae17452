"""Changes of the configuration that look like an accident, for reloads.

An editor on a full disk leaves an empty file; a users_file is moved away for a moment. A daemon
that starts may find such a thing; one that runs has something to lose.
"""

from __future__ import annotations

from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.service.loaded_config import LoadedConfig


def refuse_accidents(old: LoadedConfig, new: LoadedConfig) -> None:
    """Refuse a configuration that looks like a file that was lost.

    Raises:
        ConfigError: All instances, or all users that rules are about, would be gone.
    """
    problems = []
    if _has_instances(old) and not _has_instances(new):
        found = "none, and `discover` is off"
        expected = "at least one, as before; to open none any more, stop the daemon"
        problems.append(ConfigProblem("configuration", "[[instance]]", found, expected))
    path = new.config.access.users_file
    if path is not None and path == old.users.path and old.users.had_file and not path.exists():
        expected = "the file with the users, as before"
        problems.append(ConfigProblem("[access]", "users_file", f"{path} (it is gone)", expected))
    if problems:
        raise ConfigError(problems)


def worth_a_warning(old: LoadedConfig, new: LoadedConfig) -> list[str]:
    """Changes that are valid but may not be meant, in sentences without a full stop."""
    doors = [one.name for one in new.config.listen if one.access == "open"]
    if old.config.rule and not new.config.rule and doors:
        names = ", ".join(doors)
        return [f"no rule is left, so whoever comes by an open door ({names}) may do everything"]
    return []


def _has_instances(given: LoadedConfig) -> bool:
    return bool(given.instances or given.config.aliyun.discover_in)
