"""What goes with what: checks between values, and of the rules; each error names both keys."""

from __future__ import annotations

import grp

from vncproxy.addresses import Address, TcpAddress, UnixAddress
from vncproxy.config.hours import parse_span
from vncproxy.config.model import Config, Instance, Limits, Listen, Rule
from vncproxy.config.problems import Report, shown
from vncproxy.config.users_file import is_user_name
from vncproxy.languages.text import Text

_OTHER_HEADERS = frozenset(
    {
        *("authorization", "connection", "cookie", "forwarded", "host", "origin", "upgrade", "via"),
        *("x-forwarded-for", "x-real-ip", "x-vncproxy-secret"),
    }
)
"""What they hold is no user's name, and some of it is secret."""

_PATTERN = frozenset("*?[]")
_TAG = "tag:"
_NAMES = Text(
    "a user's name, or @ and a group's: names are no patterns, so many users need a group or a list"
)


def check_relations(config: Config, report: Report) -> None:
    """Note every value that doesn't go with another.

    Args:
        config: The settings; those that the report has as faulty are left out.
        report: Takes the mistakes.
    """
    _check_keepalive(config.limits, report)
    _check_doors(config.listen, report)
    _check_users(config, report)
    _check_instances(config.instance, report)
    _check_rules(config.rule, report)


def _check_keepalive(limits: Limits, report: Report) -> None:
    interval, idle = ("limits", "keepalive_interval"), ("limits", "idle_timeout")
    if not report.usable(interval, idle):
        return
    if limits.keepalive_interval > limits.idle_timeout / 2:
        # Half: one lost or late message must not cost the link.
        report.add(
            interval if report.is_set(interval) else idle,
            Text(
                "keepalive_interval = {keepalive_interval} with idle_timeout = {idle_timeout}",
                keepalive_interval=f"{limits.keepalive_interval:g}",
                idle_timeout=f"{limits.idle_timeout:g}",
            ),
            Text("keepalive_interval at most half of idle_timeout"),
        )


def _check_doors(doors: tuple[Listen, ...], report: Report) -> None:
    if not doors:
        report.add(
            ("listen",), Text("no block"), Text("at least one [[listen]] block, or none mentioned")
        )
    names: dict[str, int] = {}
    addresses: dict[Address, int] = {}
    for index, door in enumerate(doors):
        if report.usable(("listen", index, "name")):
            first = names.setdefault(door.name, index)
            if first != index:
                report.add(
                    ("listen", index, "name"),
                    Text(
                        "{name}, the name of [[listen]] {number} too",
                        name=shown(door.name),
                        number=first + 1,
                    ),
                    Text("a name of its own"),
                )
        _check_certificate(index, door, report)
        _check_proxies(index, door, report)
        if not report.usable(("listen", index, "address")):
            continue
        address = door.parsed_address
        first = addresses.setdefault(address, index)
        if first != index:
            report.add(
                ("listen", index, "address"),
                Text(
                    "{address}, the address of [[listen]] {number} too",
                    address=shown(door.address),
                    number=first + 1,
                ),
                Text("an address of its own"),
            )
        match address:
            case TcpAddress():
                _check_tcp(index, door, address, report)
            case UnixAddress():
                _check_unix(index, door, report)


def _check_certificate(index: int, door: Listen, report: Report) -> None:
    certificate, key = ("listen", index, "certificate"), ("listen", index, "key")
    if report.usable(certificate, key) and (door.certificate is None) is not (door.key is None):
        alone, missing = (certificate, "key") if door.certificate else (key, "certificate")
        report.add(
            alone,
            Text("{alone} without {missing}", alone=alone[2], missing=missing),
            Text("certificate and key together"),
        )


def _check_users(config: Config, report: Report) -> None:
    file = ("access", "users_file")
    for index, door in enumerate(config.listen):
        access = ("listen", index, "access")
        missing = door.access == "users" and config.access.users_file is None
        if missing and report.usable(access, file):
            report.add(
                access, Text("'users' without users_file"), Text("users_file under [access]")
            )


def _check_proxies(index: int, door: Listen, report: Report) -> None:
    """A header that anybody may send proves nothing."""
    secret = ("listen", index, "header_secret_file")
    proxies, access = ("listen", index, "trusted_proxies"), ("listen", index, "access")
    if not report.usable(access):
        return
    if door.access != "header":
        given = {
            "trusted_proxies": door.trusted_proxies != (),
            "user_header": door.user_header != Listen().user_header,
            "header_secret_file": door.header_secret_file is not None,
        }
        for key in (key for key, is_given in given.items() if is_given):
            path = ("listen", index, key)
            expected = Text("no such key: it is for access = 'header'")
            report.add(
                path,
                Text("{key} with access = {access}", key=key, access=shown(door.access)),
                expected,
            )
        return
    if door.user_header.lower() in _OTHER_HEADERS:
        expected = Text("the header in which the proxy names the user, such as X-Forwarded-User")
        report.add(("listen", index, "user_header"), shown(door.user_header), expected)
    if door.header_secret_file is None and report.usable(secret):
        report.add(
            access, Text("'header' without header_secret_file"), Text("a file with a secret")
        )
    missing = not door.trusted_proxies and report.usable(("listen", index, "address"), proxies)
    if missing and isinstance(door.parsed_address, TcpAddress):
        report.add(access, Text("'header' without trusted_proxies"), Text("the proxies' addresses"))


def _check_tcp(index: int, door: Listen, address: TcpAddress, report: Report) -> None:
    path = ("listen", index, "address")
    access = ("listen", index, "access")
    if not address.loopback:
        if report.usable(access) and door.access == "open":
            report.add(
                access,
                Text("access = 'open' with address = {address}", address=shown(door.address)),
                Text("another access, or a loopback address (127.0.0.1, [::1])"),
            )
        if report.usable(access) and door.access == "peer":
            report.add(
                access,
                Text("access = 'peer' with address = {address}", address=shown(door.address)),
                Text(
                    "another access, or a loopback address or Unix socket: the accounts of "
                    "other machines aren't known here"
                ),
            )
        tls = report.is_set(("listen", index, "certificate")) or report.is_set(
            ("listen", index, "key")
        )
        if not tls and not door.insecure and report.usable(("listen", index, "insecure")):
            report.add(
                path,
                Text("{address} without certificate and key", address=shown(door.address)),
                Text("certificate and key, a loopback address, or insecure = true"),
            )
    for key in ("socket_mode", "socket_group"):
        if report.is_set(("listen", index, key)):
            report.add(
                ("listen", index, key),
                Text("{key} with address = {address}", key=key, address=shown(door.address)),
                Text("no such key: it is for unix: addresses"),
            )


def _check_unix(index: int, door: Listen, report: Report) -> None:
    for key in ("certificate", "key", "insecure"):
        if report.is_set(("listen", index, key)):
            report.add(
                ("listen", index, key),
                Text("{key} with address = {address}", key=key, address=shown(door.address)),
                Text("no such key: it is for TCP addresses"),
            )
    access, mode = ("listen", index, "access"), ("listen", index, "socket_mode")
    if report.usable(access, mode) and door.access == "open" and door.mode & 0o077:
        report.add(
            access,
            Text(
                "access = 'open' with socket_mode = {socket_mode}",
                socket_mode=shown(door.socket_mode),
            ),
            Text(
                'another access, or socket_mode = "0600": only the socket\'s owner may '
                "come in unasked"
            ),
        )
    group = ("listen", index, "socket_group")
    if door.socket_group is not None and report.usable(group):
        try:
            grp.getgrnam(door.socket_group)
        except (KeyError, ValueError):
            report.add(group, shown(door.socket_group), Text("a group of this machine"))


def _check_instances(instances: tuple[Instance, ...], report: Report) -> None:
    first_of: dict[tuple[str, str], int] = {}
    for index, instance in enumerate(instances):
        for key, value in (("id", instance.id), ("alias", instance.alias)):
            path = ("instance", index, key)
            if value is None or not report.usable(path):
                continue
            if key == "alias" and value.startswith("i-"):
                report.add(
                    path, shown(value), Text("an alias that doesn't look like an instance id")
                )
            first = first_of.setdefault((key, value), index)
            if first != index:
                report.add(
                    path,
                    Text(
                        "{value}, the {key} of [[instance]] {number} too",
                        value=shown(value),
                        key=key,
                        number=first + 1,
                    ),
                    Text("each {key} once", key=key),
                )
        _check_native(index, instance, first_of, report)


def _check_native(
    index: int, instance: Instance, first_of: dict[tuple[str, str], int], report: Report
) -> None:
    """A port without a password would let in everybody on the machine."""
    port, file = instance.tcp_port, instance.tcp_password_file
    for key, here, other in (("tcp_port", port, file), ("tcp_password_file", file, port)):
        if here is not None and other is None:
            path = ("instance", index, key)
            report.add(path, shown(here), Text("tcp_port and tcp_password_file, or none of them"))
    if port is not None and first_of.setdefault(("tcp_port", str(port)), index) != index:
        report.add(("instance", index, "tcp_port"), shown(port), Text("each tcp_port once"))


def is_rule_user(text: str) -> bool:
    """Whether a rule may name somebody so: a user's name, or @ and a group's; no pattern."""
    name = text.removeprefix("@")
    return is_user_name(name) and not _PATTERN & set(name)


def _check_rules(rules: tuple[Rule, ...], report: Report) -> None:
    """What can't match anybody or anything, ever, is a mistake."""
    for index, rule in enumerate(rules):
        for user in rule.users:
            if not is_rule_user(user):
                report.add(("rule", index, "users"), shown(user), _NAMES)
        for pattern in rule.instances:
            if pattern.startswith(_TAG) and "=" not in pattern:
                report.add(("rule", index, "instances"), shown(pattern), "tag:KEY=VALUE")
        if rule.power and rule.role == "watch" and report.usable(("rule", index, "role")):
            expected = Text("role control or admin, for who may stop an instance")
            report.add(("rule", index, "power"), Text("power with role = 'watch'"), expected)
        for text in rule.hours or ():
            try:
                parse_span(text)
            except ValueError as expected:
                report.add(("rule", index, "hours"), shown(text), str(expected))
