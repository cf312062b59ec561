"""Metadata on its way through HTTP headers: any text, whole."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ggg_cloud_addon.cloud_storage.errors import ConfigError
from ggg_cloud_addon.cloud_storage.metadata import (
    MAX_BYTES,
    SHA256,
    check_metadata,
    decode_metadata,
    encode_metadata,
)

KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(lambda key: key != SHA256)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
HASH = "0" * 64


@given(st.dictionaries(KEYS, TEXTS), st.sampled_from([None, HASH]))
@example(
    {"a": "", "b": " ", "c": "%", "d": "%20", "e": "  Zoë  ", "f": "\r\nX: y", "g": "\t", "h": "\0", "i": "%25"}, HASH
)
def test_any_text_comes_back_as_it_was(metadata: dict[str, str], sha256: str | None) -> None:
    assert decode_metadata(encode_metadata(metadata, sha256)) == (metadata, sha256)


@given(TEXTS)
@example("")
@example(" ")
@example("\n")
@example("\u00a0\u2028 x\u3000")
def test_what_is_stored_is_printable_ascii_without_a_space_at_an_end(text: str) -> None:
    stored = encode_metadata({"note": text}, None)["note"]
    assert stored
    assert stored.isascii()
    assert stored.isprintable()
    assert stored == stored.strip()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_legible(text: str) -> None:
    plain = text.replace("%", "").strip()
    if plain:
        assert encode_metadata({"note": plain}, None) == {"note": plain}


@pytest.mark.parametrize("stored", ["100 % sure", "50%", "%zz", "a=b; c", "Zo\u00eb", "%"])
def test_what_other_tools_wrote_is_read_as_it_is(stored: str) -> None:
    assert decode_metadata({"Note": stored}) == ({"note": "" if stored == "%" else stored}, None)


def test_the_hash_is_found_whatever_its_case_and_is_no_metadata() -> None:
    assert decode_metadata({"GGG_SHA256": HASH, "a": "1"}) == ({"a": "1"}, HASH)


@pytest.mark.parametrize("key", ["", "Note", "note-1", "1note", "_note", "né", "a b", "note\n", SHA256])
def test_a_key_that_not_every_store_takes_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="metadata key"):
        check_metadata({key: "x"})


def test_as_much_as_s3_takes_is_taken_and_no_more() -> None:
    room = MAX_BYTES - len(SHA256) - len(HASH) - len("note")
    check_metadata({"note": "x" * room})
    check_metadata({})
    for text in ("x" * (room + 1), "é" * (room // 6 + 1)):
        with pytest.raises(ConfigError, match="2048 bytes"):
            check_metadata({"note": text})


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ConfigError, match="note"):
        check_metadata({"note": "\ud800"})
