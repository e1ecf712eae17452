"""Pictures and boot logs: any answer of the API is a value within bounds or a typed error."""

from __future__ import annotations

import base64
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from vncproxy.aliyun.screenshots import boot_log_of, picture_of, plain_text
from vncproxy.errors import CloudError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
BASE64 = st.binary(max_size=200).map(lambda content: base64.b64encode(content).decode())


@given(st.dictionaries(st.sampled_from(["Screenshot", "InstanceId"]), JSON | BASE64))
def test_any_answer_is_a_picture_or_an_error(fields: dict[str, object]) -> None:
    """A picture has one of two kinds."""
    try:
        picture = picture_of(fields)
    except CloudError:
        return
    assert picture.content_type in ("image/png", "image/jpeg")


@given(st.dictionaries(st.sampled_from(["ConsoleOutput", "LastUpdateTime"]), JSON | BASE64))
def test_any_answer_is_a_boot_log_or_an_error(fields: dict[str, object]) -> None:
    """A log can be encoded again."""
    try:
        log = boot_log_of(fields)
    except CloudError:
        return
    log.text.encode()
    assert log.updated_at is None or log.updated_at.utcoffset() == timedelta(0)


@given(st.binary() | st.text(alphabet="\x1b[]0;Ahm\x07\\\r\n\t ab\u202e\x9b").map(str.encode))
def test_text_has_no_control_characters(content: bytes) -> None:
    """But for line feeds and tabs; what is text already stays as it is."""
    text = plain_text(content)
    assert all(one in "\n\t" or (one >= " " and not "\x7f" <= one <= "\x9f") for one in text)
    assert plain_text(text.encode()) == text


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"])))
def test_plain_text_stays(text: str) -> None:
    """In any script."""
    assert plain_text(text.encode()) == text
