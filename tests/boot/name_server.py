"""A name server for one domain: `python -m tests.boot.name_server` answers on 127.0.0.1:53.

Every name in example.test is at ADDRESS; nothing else exists.
"""

from __future__ import annotations

import socket
import struct

ADDRESS = "198.51.100.1"
"""This machine's, too, but not on loopback, where no VncUrl may lead. Source: RFC 5737."""
DOMAIN = b"\x07example\x04test\x00"
_ADDRESS_RECORD, _INTERNET = 1, 1


def answer_to(query: bytes) -> bytes:
    """The answer to a query with one question. Source: RFC 1035, section 4.1."""
    name_end = query.index(b"\0", 12) + 1
    kind, _ = struct.unpack_from(">HH", query, name_end)
    question = query[12 : name_end + 4]
    known = query[12:name_end].lower().endswith(DOMAIN)
    found = known and kind == _ADDRESS_RECORD
    flags = 0x8180 if known else 0x8183
    head = query[:2] + struct.pack(">HHHHH", flags, 1, found, 0, 0)
    record = struct.pack(">HHHIH", 0xC00C, _ADDRESS_RECORD, _INTERNET, 60, 4)
    record += socket.inet_aton(ADDRESS)
    return head + question + (record if found else b"")


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 53))
        while True:
            data, sender = door.recvfrom(512)
            door.sendto(answer_to(data), sender)
