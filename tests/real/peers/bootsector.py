"""A guest in 512 bytes: it draws colour bars and a greeting, and echoes what is typed.

Put together here from machine code, so that the tests need no disk image. It runs in VGA's mode 13h
(320 × 200, 256 colours), which has no blinking cursor: while nobody types, no pixel changes.
Every key that the guest receives goes also to port 0xE9, QEMU's debug console.
"""

from __future__ import annotations

GREETING = b"vncproxy guest\r\ntype: "

_ORIGIN = 0x7C00

_SETUP = bytes.fromhex(
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "8ed0"  # mov ss, ax
    "bc007c"  # mov sp, 0x7c00
    "fc"  # cld
    "b81300"  # mov ax, 0x13
    "cd10"  # int 0x10: the mode
    "b800a0"  # mov ax, 0xa000
    "8ec0"  # mov es, ax
    "31ff"  # xor di, di
    "b900fa"  # mov cx, 64000: the pixels
)
_BARS = bytes.fromhex(
    "89f8"  # bar: mov ax, di
    "c1e803"  # shr ax, 3: eight pixels of each colour
    "aa"  # stosb
    "e2f8"  # loop bar
)
_PRINT = bytes.fromhex(
    "ac"  # next: lodsb
    "08c0"  # or al, al
    "7409"  # jz key
    "b40e"  # mov ah, 0x0e
    "bb0f00"  # mov bx, 15: white
    "cd10"  # int 0x10: the character
    "ebf2"  # jmp next
)
_ECHO = bytes.fromhex(
    "30e4"  # key: xor ah, ah
    "cd16"  # int 0x16: wait for a key
    "e6e9"  # out 0xe9, al
    "b40e"  # mov ah, 0x0e
    "bb0e00"  # mov bx, 14: yellow
    "cd10"  # int 0x10: the character
    "ebf1"  # jmp key
)


def image() -> bytes:
    """The boot sector, signature included."""
    load = 3  # mov si, the greeting
    greeting_at = _ORIGIN + len(_SETUP) + len(_BARS) + load + len(_PRINT) + len(_ECHO)
    code = (
        _SETUP
        + _BARS
        + b"\xbe"
        + greeting_at.to_bytes(2, "little")
        + _PRINT
        + _ECHO
        + GREETING
        + b"\0"
    )
    return code.ljust(510, b"\0") + b"\x55\xaa"
