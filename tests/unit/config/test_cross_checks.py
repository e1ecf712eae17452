"""What goes with what, and what a [[rule]] can mean."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from vncproxy.config.cross_checks import check_relations
from vncproxy.config.load import convert
from vncproxy.config.model import BLOCKS, Access, Config, Instance, Limits, Listen, Rule
from vncproxy.config.problems import Report
from vncproxy.errors import ConfigError, ConfigProblem


def _problems(config: Config, report: Report | None = None) -> list[ConfigProblem]:
    report = report or Report(None, {})
    check_relations(config, report)
    try:
        report.raise_if_any()
    except ConfigError as error:
        return error.problems
    return []


def _doors(*doors: Listen, keys: tuple[str, ...] = ()) -> list[str]:
    """The mistakes of doors, of which the first one's keys stand in the file."""
    lines: dict[tuple[str | int, ...], int] = {("listen", 0, key): 1 for key in keys}
    found = _problems(Config(listen=doors), Report(None, lines))
    return [f"{problem.key}: {problem.found}" for problem in found]


def test_defaults_go_together() -> None:
    """The configuration without a file is a valid one."""
    assert _problems(Config()) == []


def test_keepalive_is_at_most_half_of_idle() -> None:
    """Half is fine, more is reported with both keys, on the one that was set."""
    assert _problems(Config(limits=Limits(keepalive_interval=30.0))) == []
    limits = Limits(keepalive_interval=20.0, idle_timeout=39.0)
    [problem] = _problems(Config(limits=limits))
    assert problem.key == "[limits] idle_timeout"
    assert problem.found == "keepalive_interval = 20 with idle_timeout = 39"
    assert problem.expected == "keepalive_interval at most half of idle_timeout"
    report = Report(None, {("limits", "keepalive_interval"): 1})
    assert _problems(Config(limits=limits), report)[0].key == "[limits] keepalive_interval"


def test_faulty_values_are_left_out() -> None:
    """A relation to a value that is wrong anyway would only confuse."""
    report = Report(None, {})
    report.add(("limits", "idle_timeout"), "nan", "seconds")
    report.add(("listen", 0, "address"), "'x'", "an address")
    report.add(("instance", 0, "id"), "''", "an id")
    config = Config(
        limits=Limits(keepalive_interval=40.0),
        listen=(Listen(address="x"),),
        instance=(Instance(id=""), Instance(id="")),
    )
    check_relations(config, report)
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_open_on_loopback(address: str) -> None:
    """Access without identity is possible where only this machine reaches it."""
    assert _doors(Listen(address=address, access="open")) == []


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1"])
def test_open_elsewhere(address: str) -> None:
    """Not even insecure = true opens a door to the network."""
    [found] = _doors(Listen(address=address, access="open", insecure=True))
    assert found == f"[[listen]] 1 access: access = 'open' with address = '{address}'"


def test_the_network_needs_tls_or_insecure() -> None:
    """A token must not travel in the clear unless somebody says so."""
    [found] = _doors(Listen(address="10.0.0.1:1"))
    assert found == "[[listen]] 1 address: '10.0.0.1:1' without certificate and key"
    assert _doors(Listen(address="10.0.0.1:1", insecure=True)) == []


def test_certificate_and_key_together() -> None:
    """TLS with half of what it needs is reported on the half that is there."""
    some = Path("/x")
    for address in ("127.0.0.1:1", "10.0.0.1:1"):
        both = Listen(address=address, certificate=some, key=some)
        assert _doors(both, keys=("certificate", "key")) == []
        alone = Listen(address=address, certificate=some)
        assert _doors(alone, keys=("certificate",)) == [
            "[[listen]] 1 certificate: certificate without key"
        ]
        alone = Listen(address=address, key=some)
        assert _doors(alone, keys=("key",)) == ["[[listen]] 1 key: key without certificate"]


def test_names_and_addresses_are_unique() -> None:
    """Two doors can share neither their name nor, in any spelling, their address."""
    assert _doors(Listen(), Listen()) == [
        "[[listen]] 2 name: 'local', the name of [[listen]] 1 too",
        "[[listen]] 2 address: '127.0.0.1:6080', the address of [[listen]] 1 too",
    ]
    first = Listen(name="a", address="[::1]:1")
    assert len(_doors(first, Listen(name="b", address="[0:0::1]:1"))) == 1
    assert _doors(first, Listen(name="b", address="[::1]:2")) == []


def test_at_least_one_door() -> None:
    """A daemon that nobody can reach is a mistake."""
    assert len(_doors()) == 1


def test_keys_of_the_other_kind_of_address() -> None:
    """What would have no effect on this kind of address is refused."""
    unix = Listen(address="unix:/x")
    for key in ("certificate", "key", "insecure"):
        assert f"[[listen]] 1 {key}: {key} with address = 'unix:/x'" in _doors(unix, keys=(key,))
    for key in ("socket_mode", "socket_group"):
        [found] = _doors(Listen(), keys=(key,))
        assert found == f"[[listen]] 1 {key}: {key} with address = '127.0.0.1:6080'"


def test_open_unix_sockets_are_the_owners_alone() -> None:
    """Without an identity only the owner's processes may connect."""
    assert _doors(Listen(address="unix:/x")) == []
    assert _doors(Listen(address="unix:/x", access="open", socket_mode="0600")) == []
    for mode in ("0660", "0606", "0610", "0601", "777"):
        [found] = _doors(Listen(address="unix:/x", access="open", socket_mode=mode))
        assert found == f"[[listen]] 1 access: access = 'open' with socket_mode = '{mode}'"


def test_the_group_exists() -> None:
    """A group that this machine doesn't know would fail only when the socket is made."""
    mine = grp.getgrgid(os.getgid()).gr_name
    assert _doors(Listen(address="unix:/x", socket_group=mine)) == []
    for strange in ("no such group", "a\0b"):
        [found] = _doors(Listen(address="unix:/x", socket_group=strange))
        assert found.startswith("[[listen]] 1 socket_group")


def test_instances_are_unique() -> None:
    """An id and an alias lead to one instance each."""
    two = (Instance(id="i-1", alias="a"), Instance(id="i-2", alias="b"), Instance(id="i-3"))
    assert _problems(Config(instance=two)) == []
    same = (Instance(id="i-1", alias="a"), Instance(id="i-1", alias="a"), Instance(id="i-4"))
    assert [problem.key for problem in _problems(Config(instance=same))] == [
        "[[instance]] 2 id",
        "[[instance]] 2 alias",
    ]


def test_an_alias_is_no_id() -> None:
    """What looks like an instance id always means the instance with that id."""
    [problem] = _problems(Config(instance=(Instance(id="i-1", alias="i-web"),)))
    assert problem.key == "[[instance]] 1 alias"
    assert _problems(Config(instance=(Instance(id="i-1", alias="in-1"),))) == []


def test_a_port_for_native_viewers_has_a_password() -> None:
    """tcp_port and tcp_password_file come together, and each port once."""
    file = Path("/x")
    [alone] = _problems(Config(instance=(Instance(id="i-1", tcp_port=5901),)))
    assert alone.key == "[[instance]] 1 tcp_port"
    [alone] = _problems(Config(instance=(Instance(id="i-1", tcp_password_file=file),)))
    assert alone.key == "[[instance]] 1 tcp_password_file"
    both = [Instance(id=f"i-{n}", tcp_port=5901, tcp_password_file=file) for n in (1, 2)]
    [twice] = _problems(Config(instance=tuple(both)))
    assert twice.key == "[[instance]] 2 tcp_port"


def test_users_need_their_file() -> None:
    """A door for users that nobody could be is a mistake."""
    door = Listen(access="users")
    assert _doors(door) == ["[[listen]] 1 access: 'users' without users_file"]
    assert _problems(Config(listen=(door,), access=Access(users_file=Path("/x")))) == []


def test_proxies_need_a_secret_and_an_address() -> None:
    """A header that anybody may send proves nothing."""
    secret = Path("/x")
    assert _doors(Listen(access="header")) == [
        "[[listen]] 1 access: 'header' without header_secret_file",
        "[[listen]] 1 access: 'header' without trusted_proxies",
    ]
    good = Listen(access="header", header_secret_file=secret, trusted_proxies=("10.0.0.5",))
    assert _doors(good) == []
    assert _doors(Listen(address="unix:/x", access="header", header_secret_file=secret)) == []
    assert _doors(Listen(address="unix:/x", access="header")) == [
        "[[listen]] 1 access: 'header' without header_secret_file"
    ]


def test_what_is_for_proxies_is_for_header_doors() -> None:
    """It would have no effect elsewhere."""
    door = Listen(
        trusted_proxies=("10.0.0.5",), user_header="X-User", header_secret_file=Path("/x")
    )
    assert _doors(door) == [
        f"[[listen]] 1 {key}: {key} with access = 'token'"
        for key in ("trusted_proxies", "user_header", "header_secret_file")
    ]


def test_other_headers_name_no_user() -> None:
    """A slip of the pen would make a secret the user's name."""
    for name in ("Host", "cookie", "X-Vncproxy-Secret"):
        door = Listen(
            access="header",
            trusted_proxies=("10.0.0.5",),
            user_header=name,
            header_secret_file=Path("/x"),
        )
        assert _doors(door) == [f"[[listen]] 1 user_header: {name!r}"]


def test_accounts_are_known_on_this_machine_only() -> None:
    """The kernel knows who owns the other end on loopback and of a Unix socket."""
    for address in ("127.0.0.1:1", "[::1]:1", "unix:/x"):
        assert _doors(Listen(address=address, access="peer")) == []
    [found] = _doors(Listen(address="10.0.0.1:1", access="peer", insecure=True))
    assert found == "[[listen]] 1 access: access = 'peer' with address = '10.0.0.1:1'"


@pytest.mark.parametrize(
    ("addresses", "good"),
    [(["10.0.0.5", "::1"], True), (["proxy.example.com"], False), (["10.0.0.0/8"], False)],
)
def test_proxies_are_named_by_their_address(addresses: list[str], good: bool) -> None:
    """What a name resolves to can change, and a whole network is no proxy."""
    assert (convert(addresses, BLOCKS["listen"]["trusted_proxies"]) is not None) is good


def _rule_problems(*rules: Rule) -> list[ConfigProblem]:
    return _problems(Config(rule=rules))


def test_users_are_names() -> None:
    """`*` isn't everybody, though instances take patterns; proxies' names may be addresses."""
    assert (
        _rule_problems(
            Rule(users=("ann", "@ops", "ann@example.com", "ann smith"), instances=("*",))
        )
        == []
    )
    found = _rule_problems(Rule(users=("ann", "*", "web-?", "@"), instances=("*",)))
    assert [(one.key, one.found) for one in found] == [
        ("[[rule]] 1 users", "'*'"),
        ("[[rule]] 1 users", "'web-?'"),
        ("[[rule]] 1 users", "'@'"),
    ]
    assert "no patterns" in found[0].expected


def test_tags_have_values() -> None:
    """A tag without one matches nothing."""
    assert _rule_problems(Rule(users=("ann",), instances=("tag:team=shop", "tag:team=*"))) == []
    [found] = _rule_problems(Rule(users=("ann",), instances=("web-*", "tag:team")))
    assert (found.found, found.expected) == ("'tag:team'", "tag:KEY=VALUE")


def test_power_is_for_those_who_control() -> None:
    """Not for who may only watch."""
    rules = [
        Rule(users=("a",), instances=("*",), role=role, power=True) for role in ("watch", "admin")
    ]
    [found] = _rule_problems(*rules)
    assert (found.key, found.found) == ("[[rule]] 1 power", "power with role = 'watch'")


def test_hours_of_rules() -> None:
    """Each span that is none is named, and what is expected in its place."""
    good = Rule(users=("ann",), instances=("*",), hours=("mon-fri 08:00-18:00",))
    bad = Rule(users=("ann",), instances=("*",), hours=("22:00-06:00", "mon-fry 8-18", "08-18"))
    found = _rule_problems(good, bad)
    assert [(one.key, one.found) for one in found] == [
        ("[[rule]] 2 hours", "'mon-fry 8-18'"),
        ("[[rule]] 2 hours", "'08-18'"),
    ]
    assert "mon-fri 08:00-18:00" in found[0].expected
    field = BLOCKS["rule"]["hours"]
    assert convert(["22:00-06:00"], field) == ("22:00-06:00",)
    for wrong in ([], "22:00-06:00", [""], [8]):
        assert convert(wrong, field) is None
