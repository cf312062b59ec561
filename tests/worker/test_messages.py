"""What goes over the pipe comes out as it went in, or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggg_cloud_addon.worker.messages import (
    Failed,
    Finished,
    Message,
    Part,
    Progress,
    Request,
    add_part,
    answer,
    decode,
    encode,
)

numbers = st.integers(-(2**63), 2**63)
plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), plain, max_size=3)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Request, numbers, st.text(), objects, objects),
    st.builds(Progress, numbers, numbers, numbers, st.text(), numbers, numbers),
    st.builds(Part, numbers, st.none() | st.text(), plain),
    st.builds(Finished, numbers, plain),
    st.builds(Failed, numbers, st.text(st.characters()), st.text()),
)


@given(messages)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    assert decode(encode(message)) == message


@given(messages)
def test_a_message_is_one_line_of_ascii(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()


long = st.lists(st.integers(), min_size=0, max_size=1200) | st.integers(0, 1200).map(
    lambda n: {str(i): i for i in range(n)}
)


@given(st.one_of(plain, st.lists(st.integers(), max_size=1200), st.dictionaries(st.text(), long | plain, max_size=3)))
def test_a_long_answer_comes_together_again(value: Any) -> None:
    *parts, last = [decode(encode(message)) for message in answer(7, value)]
    assert isinstance(last, Finished)
    for part in parts:
        assert isinstance(part, Part)
        add_part(last.value, part)
    assert last == Finished(7, value)
    if isinstance(value, dict):
        assert list(last.value) == list(value)


def test_no_message_of_a_long_listing_is_long() -> None:
    """Who decodes one holds up all threads of Blender for as long."""
    rows = [
        [f"props/kitchen/part {number}.blend", 10**9 + number, 1.7e9 + number / 7, "same"] for number in range(20_000)
    ]
    lines = [encode(message) for message in answer(1, {"location": "there", "rows": rows})]
    assert max(map(len, lines)) < 64_000


def test_any_file_name_passes() -> None:
    name = b"caf\xe9 \xff\n\xe2\x80\xa8.blend".decode(errors="surrogateescape")
    assert decode(encode(Finished(1, name))) == Finished(1, name)


@given(st.binary() | plain.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(encode(Progress(1, 2, 3))[:-5], id="cut off"),
        pytest.param(b'{"id": 1}', id="no kind"),
        pytest.param(b'{"message": "Nonsense", "id": 1}', id="unknown kind"),
        pytest.param(b'{"message": [], "id": 1}', id="kind of a wrong type"),
        pytest.param(b'{"message": "Progress", "id": 1}', id="a field is missing"),
        pytest.param(b'{"message": "Failed", "id": 1, "sentence": "No.", "more": 2}', id="a field too much"),
        pytest.param(b'{"message": "Failed", "id": [1], "sentence": "No."}', id="no job's number"),
        pytest.param(b'{"message": "Failed", "id": null, "sentence": "No."}', id="no number at all"),
        pytest.param(b"[" * 100_000, id="endlessly deep"),
        pytest.param(b"1" * 10_000, id="endlessly long"),
    ],
)
def test_what_is_no_message_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"essage"):
        decode(line)
