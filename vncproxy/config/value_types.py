"""The types of values: what a key accepts, and the words in which an error says so.

`description` is what an error calls expected. `extra["valid"]` is a further test of a value that
already has the right type.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import FieldInfo
from msgspec.structs import fields as struct_fields

from vncproxy.addresses import (
    are_origins,
    is_base_or_empty,
    is_base_path,
    is_door,
    is_endpoint,
    is_host,
    is_page,
    is_store,
)
from vncproxy.languages.text import Text

_DAY_S = 86400

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z"
"""An alias, and the name of a door. An instance id would fit too: `checks` refuses it."""
INSTANCE_ID_PATTERN = r"^i-[A-Za-z0-9-]{1,62}\Z"


def _are_hosts(texts: tuple[str, ...]) -> bool:
    return all(is_host(text) for text in texts)


def _are_suffixes(texts: tuple[str, ...]) -> bool:
    return all(is_host(text.removeprefix(".")) for text in texts)


def _are_addresses(texts: tuple[str, ...]) -> bool:
    try:
        return all(ip_address(text) for text in texts)
    except ValueError:
        return False


def _is_path(path: Path) -> bool:
    return str(path) != "." and "\0" not in str(path)


Flag = Annotated[bool, Meta(description="true or false")]
NonEmpty = Annotated[str, Meta(min_length=1, max_length=255, description="a text, not empty")]
FilePath = Annotated[Path, Meta(description="the path of a file", extra={"valid": _is_path})]
FolderPath = Annotated[Path, Meta(description="the path of a folder", extra={"valid": _is_path})]

Duration = Annotated[float, Meta(gt=0, le=_DAY_S, description="seconds, above 0 and at most 86400")]
OptionalDuration = Annotated[
    float, Meta(ge=0, le=365 * _DAY_S, description="seconds, 0 (off) to 31536000")
]
LongDuration = Annotated[
    float, Meta(gt=0, le=365 * _DAY_S, description="seconds, above 0 and at most 31536000")
]
UrlTtl = Annotated[float, Meta(gt=0, le=300, description="seconds, above 0 and at most 300")]
Linger = Annotated[float, Meta(ge=0, le=3600, description="seconds, 0 to 3600")]
DrainTimeout = Annotated[
    float,
    # SIGTERM has to end the daemon within 10 s.
    Meta(ge=0, lt=10, description="seconds, 0 or more and less than 10"),
]
Keysym = Annotated[
    int, Meta(ge=0, le=0xFFFFFFFF, description="an X11 keysym, 1 to 4294967295, or 0 for never")
]
DialsPerMinute = Annotated[
    int,
    # The cloud allows 30; one stays in reserve. Source: ECS API reference, DescribeInstanceVncUrl.
    Meta(ge=1, le=29, description="a whole number, 1 to 29 (the cloud allows 30)"),
]
QueueBytes = Annotated[
    int, Meta(ge=65536, le=1 << 30, description="bytes, a whole number, 65536 to 1073741824")
]
ViewerCount = Annotated[int, Meta(ge=1, le=1000, description="a whole number, 1 to 1000")]
ConsoleCount = Annotated[int, Meta(ge=1, le=100000, description="a whole number, 1 to 100000")]
RecordingBytes = Annotated[
    int, Meta(ge=64 << 20, le=1 << 50, description="bytes, a whole number, 67108864 or more")
]
Port = Annotated[int, Meta(ge=1, le=65535, description="a port, 1 to 65535")]

BasePath = Annotated[
    str,
    Meta(
        description='a path such as "/vnc", of letters, digits, ".", "_", "~" and "-", that '
        "doesn't end with / and isn't one of vncproxy's own, or \"\"",
        extra={"valid": is_base_path},
    ),
]
Name = Annotated[
    str,
    Meta(
        pattern=NAME_PATTERN,
        description="1 to 63 letters, digits, '.', '_' or '-', the first a letter or digit",
    ),
]
InstanceId = Annotated[
    str,
    Meta(
        pattern=INSTANCE_ID_PATTERN,
        description="an instance id such as i-bp1xxxxxxxxxxxxxxxxx",
    ),
]
RegionId = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z", description="a region id such as cn-hangzhou"),
]
RegionIds = Annotated[
    tuple[RegionId, ...], Meta(description='a list of region ids such as ["cn-hangzhou"]')
]
Door = Annotated[
    str,
    Meta(
        description='an IP address and a port ("127.0.0.1:6080", "[::1]:6080"), '
        '"localhost:PORT" or "unix:/absolute/path"',
        extra={"valid": is_door},
    ),
]
SocketMode = Annotated[
    str, Meta(pattern=r"^0?[0-7]{3}\Z", description='a mode in octal as text, such as "0660"')
]
Host = Annotated[
    str,
    Meta(description="a host name or an IP address, without a port", extra={"valid": is_host}),
]
Hosts = Annotated[
    tuple[str, ...],
    Meta(
        description='a list of host names without ports, such as ["bastion.example.com"]',
        extra={"valid": _are_hosts},
    ),
]
HostSuffixes = Annotated[
    tuple[str, ...],
    Meta(
        description='a list of host names or the ends of some, such as ["aliyun.com"]',
        extra={"valid": _are_suffixes},
    ),
]
Origins = Annotated[
    tuple[str, ...],
    Meta(
        description='a list of origins, such as ["https://bastion.example.com:8443"]',
        extra={"valid": are_origins},
    ),
]
Endpoint = Annotated[
    str,
    Meta(
        description="https://HOST[:PORT] without path, query or user; http:// only for loopback",
        extra={"valid": is_endpoint},
    ),
]
Page = Annotated[
    str,
    Meta(description="an https:// URL without query, fragment or user", extra={"valid": is_page}),
]
Store = Annotated[
    str,
    Meta(
        description='"sqlite", "memory" or "valkey://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]" '
        '(valkeys:// with TLS, "valkey+unix:///PATH" for a socket, '
        '"valkey+sentinel://HOST,HOST,HOST/SERVICE" by its Sentinels)',
        extra={"valid": is_store},
    ),
]
OptionalName = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?\Z",
        description="1 to 63 letters, digits, '.', '_' or '-', the first a letter or digit, "
        'or "" for the host name',
    ),
]
OptionalBase = Annotated[
    str,
    Meta(
        description='an address such as "https://bastion-2.example.com" or '
        '"https://example.com/vnc", or ""',
        extra={"valid": is_base_or_empty},
    ),
]
Texts = Annotated[
    tuple[NonEmpty, ...], Meta(min_length=1, description="a list of texts, not empty")
]
Hours = Annotated[
    tuple[NonEmpty, ...],
    Meta(
        min_length=1,
        description='a list of spans, not empty, such as ["mon-fri 08:00-18:00", "22:00-06:00"]',
    ),
]
Addresses = Annotated[
    tuple[str, ...],
    Meta(
        description='a list of IP addresses, such as ["10.0.0.5"]',
        extra={"valid": _are_addresses},
    ),
]

AccessKind = Annotated[
    Literal["token", "users", "peer", "header", "open"],
    Meta(description='"token", "users", "peer", "header" or "open"'),
]
BudgetKey = Annotated[Literal["instance", "account"], Meta(description='"instance" or "account"')]
LogFormat = Annotated[
    Literal["auto", "console", "json"], Meta(description='"auto", "console" or "json"')
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    Meta(description='"debug", "info", "warning" or "error"'),
]
MetricsAccess = Annotated[Literal["listener", "open"], Meta(description='"listener" or "open"')]
PageLanguage = Annotated[Literal["auto", "en", "zh"], Meta(description='"auto", "en" or "zh"')]
Role = Annotated[
    Literal["watch", "control", "admin"], Meta(description='"watch", "control" or "admin"')
]


class Shape(Enum):
    """How a value is written in the environment."""

    TEXT = "text"
    NUMBER = "number or flag"
    LIST = "list"


def kind_of(field: FieldInfo) -> tuple[Any, Meta]:
    """The plain type of a key's value, and its limits and description."""
    kind = field.type
    if get_origin(kind) is not Annotated:
        # `Type | None`: absent is None, which TOML can't write.
        kind = get_args(kind)[0]
    plain, meta = get_args(kind)[:2]
    assert isinstance(meta, Meta), "every type above has one"
    return plain, meta


def shape(field: FieldInfo) -> Shape:
    """How the value of a key is written in the environment."""
    plain, _ = kind_of(field)
    if plain in {bool, int, float}:
        return Shape.NUMBER
    return Shape.LIST if get_origin(plain) is tuple else Shape.TEXT


def is_path(field: FieldInfo) -> bool:
    """Whether a key's value is the path of a file or folder."""
    return kind_of(field)[0] is Path


def expected(field: FieldInfo) -> Text:
    """What a key accepts, in words."""
    description = kind_of(field)[1].description
    assert description, "every type above has one"
    return Text(description)


def validity(field: FieldInfo) -> Callable[[Any], bool] | None:
    """The further test that a value of the right type must pass, if there is one."""
    valid: Callable[[Any], bool] | None = (kind_of(field)[1].extra or {}).get("valid")
    return valid


def required(struct: type[Struct]) -> tuple[str, ...]:
    """The keys without which a block means nothing."""
    return tuple(info.name for info in struct_fields(struct) if info.required)
