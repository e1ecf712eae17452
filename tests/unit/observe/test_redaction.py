"""Secrets are hidden by type, by name, by registration and by look."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.observe import redaction
from vncproxy.observe.redaction import Redactor
from vncproxy.observe.secret_patterns import HIDDEN


@dataclass
class SecretUrl:
    """Something like a VncUrl, but careless about its repr."""

    text: str

    def reveal(self) -> str:
        """The secret."""
        return self.text


class Colour(Enum):
    """An enumeration with a plain value."""

    RED = "red"


def test_a_registered_secret_is_hidden_in_the_forms_it_travels_in() -> None:
    """Plain, percent-encoded, in JSON and in base64."""
    secret = 'pa/ss "wo" rd'
    redactor = Redactor([secret])
    for text in (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
    ):
        assert redactor.clean(f"<{text}>") == f"<{HIDDEN}>"


def test_a_longer_form_is_hidden_whole() -> None:
    """Of two secrets where one starts the other, no tail is left over."""
    assert Redactor(["abcdef", "abcdefghij"]).clean("x abcdefghij y") == f"x {HIDDEN} y"


def test_an_unregistered_secret_is_no_longer_sought() -> None:
    """A used ticket costs nothing any more; a secret that shares a form with it stays hidden."""
    redactor = Redactor(["a+b/c1"])
    redactor.register(quote("a+b/c1", safe=""), short_lived=True)
    redactor.register("ticket-77", short_lived=True)
    redactor.unregister("ticket-77")
    redactor.unregister(quote("a+b/c1", safe=""))
    redactor.unregister("never registered")
    assert redactor.clean("ticket-77") == "ticket-77"
    assert redactor.clean("a+b/c1") == HIDDEN


def test_memory_is_bounded_and_tickets_push_out_no_password() -> None:
    """However many tickets come, the newest are hidden, and so is the password."""
    redactor = Redactor(["hunter22"])
    for number in range(redaction.SHORT_LIVED_MAX * 2):
        redactor.register(f"ticket{number:06}x", short_lived=True)
    assert redactor.clean(f"ticket{0:06}x") == f"ticket{0:06}x"
    assert redactor.clean(f"ticket{redaction.SHORT_LIVED_MAX * 2 - 1:06}x") == HIDDEN
    assert redactor.clean("hunter22") == HIDDEN
    assert len(redactor._short_lived) == redaction.SHORT_LIVED_MAX
    assert len(redactor._uses) < 40 * (1 + redaction.SHORT_LIVED_MAX)


def test_configured_secrets_are_never_pushed_out() -> None:
    """However many there are, and whatever users say."""
    redactor = Redactor(["hunter22"])
    for number in range(300):
        redactor.register(f"secret{number:06}x")
        redactor.hide_meanwhile(f"said{number:04}")
    assert redactor.clean("hunter22 secret000000x said0000") == f"{HIDDEN} {HIDDEN} {HIDDEN}"


def test_what_is_hidden_meanwhile() -> None:
    """As long as the last of those wants it who asked for it; the configuration's stays hidden."""
    redactor = Redactor(["secret1"])
    first, second = redactor.hide_meanwhile("viewer"), redactor.hide_meanwhile("viewer")
    again = redactor.hide_meanwhile("secret1")
    first()
    first()
    assert redactor.clean("viewer") == HIDDEN
    second()
    assert redactor.clean("viewer") == "viewer"
    again()
    assert redactor.clean("secret1") == HIDDEN
    redactor.hide_meanwhile("abc")()
    assert not redactor.clean_line("secret1").startswith(HIDDEN)


def test_a_finished_line_keeps_its_words() -> None:
    """A secret that may be a word isn't looked for in it, a token is."""
    redactor = Redactor(["closed", "a-long-token-of-20-ch"])
    line = '{"event":"viewer.closed","text":"a-long-token-of-20-ch"}'
    assert redactor.clean_line(line) == f'{{"event":"viewer.closed","text":"{HIDDEN}"}}'


def test_very_short_secrets_are_ignored() -> None:
    """A secret of three characters would hide half of every line."""
    assert Redactor(["abc", ""]).clean("abc") == "abc"


def test_values_are_made_plain() -> None:
    """Types that could render a secret by themselves don't get the chance."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    hidden = Redactor(["123456"]).hide(
        {
            "url": SecretUrl("x"),
            "raw": b"typed",
            "pin": 123456,
            "other": 17,
            "ratio": 0.5,
            "nan": float("nan"),
            "colour": Colour.RED,
            "none": None,
            "yes": True,
            "password": "whatever",
            "empty": {"token": ""},
            "list": [SecretUrl("y"), ("a", {"b"})],
            "broken": Broken(),
            "123456": "as a key",
        }
    )
    assert hidden == {
        "url": HIDDEN,
        "raw": "[5 bytes]",
        "pin": HIDDEN,
        "other": 17,
        "ratio": 0.5,
        "nan": "nan",
        "colour": "red",
        "none": None,
        "yes": True,
        "password": HIDDEN,
        "empty": {"token": ""},
        "list": [HIDDEN, ["a", ["b"]]],
        "broken": "<Broken>",
        HIDDEN: "as a key",
    }


def test_endless_nesting_ends() -> None:
    """A value that contains itself is cut, and still clean where it is cut."""
    loop: list[object] = ["planted-secret"]
    loop.append(loop)
    assert "planted-secret" not in repr(Redactor(["planted-secret"]).hide(loop))


SECRETS = st.text("abcdefghijkABC0123456789+/%-_=. \"'\\é中", min_size=6, max_size=30)


@given(SECRETS, st.text(max_size=10), st.text(max_size=10), st.integers(0, 3))
@settings(max_examples=200)
def test_no_surroundings_bring_a_secret_back(
    secret: str, before: str, after: str, depth: int
) -> None:
    """Whatever stands around it and however deep it lies, a registered secret is gone."""
    redactor = Redactor([secret])
    value: object = f"{before}{secret}{after}"
    for _ in range(depth):
        value = {secret: [value, SecretUrl(secret)]}
    if secret not in HIDDEN * 2:
        assert secret not in redactor.clean(f"{before}{secret}{after}")
        assert secret not in json.dumps(redactor.hide(value), ensure_ascii=False).replace(
            HIDDEN, ""
        )


@given(
    SECRETS,
    st.text(max_size=10),
    st.lists(st.text(max_size=10), max_size=3),
    st.sampled_from(["{}", "token={}", "'s': '{}'", "\u212a{}", "LTAI{}"]),
)
@settings(max_examples=300)
def test_what_is_called_clean_is_left_as_it_is(
    secret: str, before: str, others: list[str], form: str
) -> None:
    """The cheap look is never wrong about a text in which something is hidden."""
    redactor = Redactor([secret])
    for text in (f"{before}{secret}", form.format(before), before):
        texts = [*others, text]
        if redactor.is_clean(texts):
            assert [redactor.clean(one) for one in texts] == texts
    assert not redactor.is_clean([*others, f"{before}{secret}{before}"])


def test_the_cheap_look_lets_ordinary_texts_pass() -> None:
    """Or it would gain nothing; words of proofs such as "token" and "cookie" are among them."""
    redactor = Redactor(["a-long-token-of-20-ch"])
    ordinary = ["audit.recorded", "i-bp1abc", "token", "cookie", "127.0.0.1", "it left, it's over"]
    assert redactor.is_clean(ordinary)
    assert redactor.is_clean([])
    assert not redactor.is_clean([*ordinary, "a-long-token-of-20-ch"])
    assert not redactor.is_clean([*ordinary, "token=x"])
