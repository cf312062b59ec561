"""What every store promises: one suite, run on each provider.

A provider's test file subclasses :class:`ProviderConformance`, or for a server that can do less
:class:`PlainConformance`, and gives a ``provider`` fixture with an empty store.
"""

import hashlib
import io
import itertools
import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from ggg_cloud_addon.cloud_storage.errors import (
    CancelledError,
    InvalidIdError,
    ObjectNotFoundError,
    PreconditionFailedError,
    SourceChangedError,
    StorageError,
    UnsupportedError,
)
from ggg_cloud_addon.cloud_storage.providers.base import Condition, IfAbsent, IfMatch, OnBytes, Provider, list_all

MIB = 1 << 20
BIG = random.Random(1).randbytes(3 * MIB + 17)
LARGE = random.Random(2).randbytes(17 * MIB + 1)
"""Several parts on every cloud."""
CONTENTS = {
    "empty": b"",
    "one byte": b"\0",
    "text": b"BLENDER-v500\r\n",
    "every byte": bytes(range(256)),
    "one MiB": BIG[:MIB],
    "one MiB and a byte": BIG[: MIB + 1],
    "several chunks": BIG,
}
KEYS = {
    "plain": "arm.blend",
    "folders": "robot/left/arm.blend",
    "no suffix": "arm",
    "spaces": "old robots/arm of robot.blend",
    "accents": "Größe/bras-été.blend",
    "other scripts": "ロボット/腕.blend",
    "emoji": "🤖/💪.blend",
    "url characters": "a+b%20c&d=e#f@g!.blend",
    "quotes": "it's [this] {one} (2), ~$^`;.blend",
    "hidden": ".hidden/.arm.blend",
    "200 characters": "r" * 194 + ".blend",
    "200 accents in all": "é" * 100 + "/" + "é" * 99,
    "deep": "/".join("abcdefghijklmnopqrstuvwxyz") + "/arm.blend",
    "like an option": "-rf",
}
METADATA = {"author": "Zoë Müller", "note": "手, a 🤖 = 100 % (done); ok?", "empty": "", "n_1": "1"}
RACERS = 3
RACES = 200
MANY = 2500
"""More objects than one page has, and half of it too."""


class BytesSource:
    """Bytes in memory as the source of an upload."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)

    def verify(self) -> None:
        pass


class ChangingSource(BytesSource):
    """A file that somebody writes to during the upload."""

    def verify(self) -> None:
        raise SourceChangedError("It was written to.")


class UnreadableSource(BytesSource):
    """A file whose disk fails after so many bytes."""

    def __init__(self, content: bytes, good: int = MIB) -> None:
        super().__init__(content)
        self.good = good

    def open(self) -> BinaryIO:
        good = self.good

        class Reader(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() >= good:
                    raise OSError("The disk is gone.")
                return super().read(MIB)

        return Reader(self.content)


def cancel(count: int) -> None:
    raise CancelledError("Stopped.")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(provider: Provider, key: str, content: bytes, condition: Condition = None) -> str:
    """Store these bytes; the answer is the ETag."""
    return provider.put(key, BytesSource(content), condition=condition).etag


def read(provider: Provider, key: str, *, version_id: str | None = None, start: int = 0) -> bytes:
    with provider.get(key, version_id=version_id, start=start) as download:
        return b"".join(download)


def keys(provider: Provider, prefix: str = "") -> list[str]:
    return by_bytes(info.key for info in list_all(provider, prefix))


def by_bytes(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: name.encode())


def state(provider: Provider, key: str) -> tuple[object, ...]:
    """All that a caller can see of a key."""
    try:
        info = provider.head(key)
    except ObjectNotFoundError:
        return ("absent", keys(provider))
    history = provider.versions(key) if provider.capabilities.versions else None
    return (info, read(provider, key), history, keys(provider))


def is_one_sentence_on(error: BaseException, key: str) -> bool:
    said = str(error)
    return f'"{key}"' in said and "\n" not in said and said.endswith(".") and said[0] in '"' + said[0].upper()


Race = Callable[[int], object]


def race(attempt: Race, racers: int = RACERS) -> tuple[list[object], list[BaseException]]:
    """Let threads begin at one moment; answers and errors."""
    barrier = threading.Barrier(racers)

    def run(number: int) -> object:
        barrier.wait()
        try:
            return attempt(number)
        except StorageError as error:
            return error

    with ThreadPoolExecutor(racers) as pool:
        answers = list(pool.map(run, range(racers)))
    errors = [each for each in answers if isinstance(each, BaseException)]
    return [each for each in answers if not isinstance(each, BaseException)], errors


class PlainConformance:
    """What every store promises, also one that keeps neither versions nor the conditions of a write."""

    @pytest.fixture
    def provider(self) -> Provider:
        raise NotImplementedError

    def fill(self, provider: Provider, names: Iterable[str]) -> None:
        """Store a small object under each name; override it where the store has a faster way."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda name: put(provider, name, b"x"), names))

    # -- bytes in, bytes out

    @pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
    def test_the_bytes_come_back(self, provider: Provider, content: bytes) -> None:
        put(provider, "arm.blend", content)
        assert read(provider, "arm.blend") == content

    @pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
    def test_put_and_head_and_get_say_the_same(self, provider: Provider, content: bytes) -> None:
        answer = provider.put("arm.blend", BytesSource(content))
        head = provider.head("arm.blend")
        with provider.get("arm.blend") as download:
            got = download.info
        for info in (answer, head, got):
            assert info.key == "arm.blend"
            assert info.size == len(content)
            assert info.sha256 == sha256(content)
            assert (info.etag, info.version_id) == (answer.etag, answer.version_id)

    @pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
    def test_a_key_is_taken_as_it_is(self, provider: Provider, key: str) -> None:
        put(provider, key, b"arm")
        assert read(provider, key) == b"arm"
        assert provider.head(key).key == key
        assert keys(provider) == [key]
        assert keys(provider, key) == [key]
        provider.delete(key)
        assert keys(provider) == []

    def test_chunks_are_small(self, provider: Provider) -> None:
        put(provider, "arm.blend", BIG)
        with provider.get("arm.blend") as download:
            assert max(len(chunk) for chunk in download) <= 8 * MIB

    def test_a_reader_may_stop_early(self, provider: Provider) -> None:
        put(provider, "arm.blend", BIG)
        with provider.get("arm.blend") as download:
            next(iter(download))
        assert read(provider, "arm.blend") == BIG

    @pytest.mark.parametrize("start", [0, 1, MIB - 1, MIB, MIB + 1, len(BIG) - 1])
    def test_a_read_can_begin_anywhere(self, provider: Provider, start: int) -> None:
        put(provider, "arm.blend", BIG)
        assert read(provider, "arm.blend", start=start) == BIG[start:]

    def test_a_read_from_the_end_has_nothing(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        assert read(provider, "arm.blend", start=3) == b""

    def test_a_read_from_the_middle_tells_the_whole_size(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        with provider.get("arm.blend", start=2) as download:
            assert (download.info.size, download.info.sha256) == (3, sha256(b"arm"))

    def test_metadata_comes_back(self, provider: Provider) -> None:
        answer = provider.put("arm.blend", BytesSource(b"arm"), metadata=METADATA)
        assert dict(answer.metadata) == METADATA
        assert dict(provider.head("arm.blend").metadata) == METADATA

    def test_it_vouches_for_no_other_bytes(self, provider: Provider, tmp_path: Path) -> None:
        put(provider, "arm.blend", b"arm")
        head = provider.head("arm.blend")
        for content in (b"leg", b"ar", b"arms", b""):
            path = tmp_path / sha256(content)
            path.write_bytes(content)
            for info in (head, *list_all(provider)):
                assert not provider.vouches_for(info, path, sha256(content))
        path = tmp_path / "replaced.blend"
        path.write_bytes(b"leg")
        put(provider, "arm.blend", b"leg")
        assert not provider.vouches_for(head, path, sha256(b"leg"))

    def test_new_content_does_not_inherit_metadata(self, provider: Provider) -> None:
        provider.put("arm.blend", BytesSource(b"arm"), metadata=METADATA)
        put(provider, "arm.blend", b"new")
        assert dict(provider.head("arm.blend").metadata) == {}

    def test_times_are_aware_and_true(self, provider: Provider) -> None:
        answer = provider.put("arm.blend", BytesSource(b"arm"))
        (listed,) = provider.list().objects
        for info in (answer, provider.head("arm.blend"), listed):
            assert info.modified.utcoffset() == timedelta(0)
            assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=15)

    def test_overwriting_replaces_all(self, provider: Provider) -> None:
        old = provider.put("arm.blend", BytesSource(BIG))
        new = provider.put("arm.blend", BytesSource(b"new"))
        assert read(provider, "arm.blend") == b"new"
        assert provider.head("arm.blend").size == 3
        assert new.etag != old.etag
        assert keys(provider) == ["arm.blend"]

    def test_the_same_bytes_again_are_a_new_etag_or_the_same_object(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        etag = put(provider, "arm.blend", b"arm")
        assert provider.head("arm.blend").etag == etag

    def test_a_hundred_quick_changes_have_a_hundred_etags(self, provider: Provider) -> None:
        assert len({put(provider, "arm.blend", b"%03d" % number) for number in range(100)}) == 100

    def test_reading_changes_nothing(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        before = state(provider, "arm.blend")
        assert state(provider, "arm.blend") == before

    def test_a_copied_etag_is_a_token_also_in_the_listing(self, provider: Provider) -> None:
        etag = put(provider, "arm.blend", b"arm")
        (listed,) = provider.list().objects
        assert listed.etag == etag

    def test_a_usable_store_passes_the_check(self, provider: Provider) -> None:
        provider.check()
        assert keys(provider) == []

    def test_the_location_is_for_people_and_constant(self, provider: Provider) -> None:
        before = provider.location
        put(provider, "arm.blend", b"arm")
        assert before == provider.location != ""

    # -- progress, cancel, failing sources

    @pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
    def test_the_reported_bytes_add_up(self, provider: Provider, content: bytes) -> None:
        moved: list[int] = []
        provider.put("arm.blend", BytesSource(content), on_bytes=moved.append)
        assert sum(moved) == len(content)

    @pytest.mark.parametrize("before", [None, b"old"], ids=["absent", "present"])
    def test_a_cancelled_put_changes_nothing(self, provider: Provider, before: bytes | None) -> None:
        self._fails_and_changes_nothing(provider, before, CancelledError, BytesSource(BIG), cancel)

    @pytest.mark.parametrize("before", [None, b"old"], ids=["absent", "present"])
    def test_a_source_that_changes_is_not_stored(self, provider: Provider, before: bytes | None) -> None:
        self._fails_and_changes_nothing(provider, before, SourceChangedError, ChangingSource(BIG), None)

    @pytest.mark.parametrize("before", [None, b"old"], ids=["absent", "present"])
    def test_a_source_that_breaks_off_is_not_stored(self, provider: Provider, before: bytes | None) -> None:
        self._fails_and_changes_nothing(provider, before, StorageError, UnreadableSource(BIG), None)

    def _fails_and_changes_nothing(
        self,
        provider: Provider,
        before: bytes | None,
        error: type[StorageError],
        source: BytesSource,
        on_bytes: OnBytes | None,
    ) -> None:
        if before is not None:
            put(provider, "robot/arm.blend", before)
        seen = state(provider, "robot/arm.blend")
        with pytest.raises(error):
            provider.put("robot/arm.blend", source, on_bytes=on_bytes)
        assert state(provider, "robot/arm.blend") == seen

    # -- large files, which clouds take in parts

    def test_a_large_file_comes_back_with_all_that_is_said_of_it(self, provider: Provider) -> None:
        moved: list[int] = []
        answer = provider.put("arm.blend", BytesSource(LARGE), metadata=METADATA, on_bytes=moved.append)
        head = provider.head("arm.blend")
        for info in (answer, head):
            assert (info.size, info.sha256, dict(info.metadata)) == (len(LARGE), sha256(LARGE), METADATA)
        assert (answer.etag, answer.version_id) == (head.etag, head.version_id)
        assert sum(moved) == len(LARGE)
        assert len(moved) > 10
        assert read(provider, "arm.blend") == LARGE
        (listed,) = provider.list().objects
        assert (listed.size, listed.etag) == (len(LARGE), head.etag)

    def test_a_large_file_can_be_read_from_anywhere(self, provider: Provider) -> None:
        put(provider, "arm.blend", LARGE)
        for start in (1, 8 * MIB - 1, 16 * MIB + 1, len(LARGE)):
            assert read(provider, "arm.blend", start=start) == LARGE[start:]

    def test_a_large_file_can_be_copied(self, provider: Provider) -> None:
        provider.put("arm.blend", BytesSource(LARGE), metadata=METADATA)
        answer = provider.copy("arm.blend", "copy.blend")
        head = provider.head("copy.blend")
        assert (answer.etag, answer.version_id) == (head.etag, head.version_id)
        assert (head.size, head.sha256) == (len(LARGE), sha256(LARGE))
        assert METADATA.items() <= head.metadata.items()
        assert read(provider, "copy.blend") == LARGE

    def test_the_conditions_of_a_large_file_hold(self, provider: Provider) -> None:
        etag = put(provider, "arm.blend", LARGE, IfAbsent())
        known = put(provider, "arm.blend", b"small", IfMatch(etag))
        before = state(provider, "arm.blend")
        for condition in (IfAbsent(), IfMatch(etag)):
            with pytest.raises(PreconditionFailedError) as caught:
                put(provider, "arm.blend", LARGE, condition)
            assert is_one_sentence_on(caught.value, "arm.blend")
            assert state(provider, "arm.blend") == before
        with pytest.raises(PreconditionFailedError):
            put(provider, "leg.blend", LARGE, IfMatch(etag))
        put(provider, "arm.blend", LARGE, IfMatch(known))
        assert read(provider, "arm.blend") == LARGE

    @pytest.mark.parametrize("before", [None, b"old"], ids=["absent", "present"])
    @pytest.mark.parametrize("why", ["cancelled at once", "cancelled later", "changing", "unreadable"])
    def test_a_large_file_that_fails_changes_nothing(self, provider: Provider, before: bytes | None, why: str) -> None:
        left = 9 * MIB

        def cancel_later(count: int) -> None:
            nonlocal left
            left -= count
            if left < 0:
                raise CancelledError("Stopped.")

        failing: dict[str, tuple[type[StorageError], BytesSource, OnBytes | None]] = {
            "cancelled at once": (CancelledError, BytesSource(LARGE), cancel),
            "cancelled later": (CancelledError, BytesSource(LARGE), cancel_later),
            "changing": (SourceChangedError, ChangingSource(LARGE), None),
            "unreadable": (StorageError, UnreadableSource(LARGE, 12 * MIB), None),
        }
        self._fails_and_changes_nothing(provider, before, *failing[why])

    # -- conditions

    @pytest.mark.parametrize("verb", ["put", "copy", "delete"])
    @pytest.mark.parametrize("condition", ["none", "absent", "match"])
    @pytest.mark.parametrize("situation", ["never was", "same", "changed", "deleted", "deleted and made again"])
    def test_a_condition_holds_or_nothing_happens(
        self, provider: Provider, verb: str, condition: str, situation: str
    ) -> None:
        etag, there = self._bring_about(provider, situation)
        asked = {"none": None, "absent": IfAbsent(), "match": IfMatch(etag)}[condition]
        holds = {"none": True, "absent": not there, "match": situation == "same"}[condition]
        put(provider, "source", b"new")
        before = state(provider, "arm.blend")

        def act() -> None:
            if verb == "put":
                put(provider, "arm.blend", b"new", asked)
            elif verb == "copy":
                provider.copy("source", "arm.blend", condition=asked)
            else:
                provider.delete("arm.blend", condition=asked)

        if verb == "delete" and not there and (holds or condition == "match"):
            with pytest.raises((ObjectNotFoundError, PreconditionFailedError)):
                act()
        elif not holds:
            with pytest.raises(PreconditionFailedError) as caught:
                act()
            assert is_one_sentence_on(caught.value, "arm.blend")
        else:
            act()
            if verb == "delete":
                assert "arm.blend" not in keys(provider)
            else:
                assert read(provider, "arm.blend") == b"new"
            return
        assert state(provider, "arm.blend") == before

    def _bring_about(self, provider: Provider, situation: str) -> tuple[str, bool]:
        """The ETag that the caller knows, and whether the object is there."""
        if situation == "never was":
            return put(provider, "other", b"other"), False
        etag = put(provider, "arm.blend", b"old")
        if situation == "changed":
            put(provider, "arm.blend", b"by somebody else")
        if situation.startswith("deleted"):
            provider.delete("arm.blend")
        if situation == "deleted and made again":
            put(provider, "arm.blend", b"old, once more")
        return etag, situation != "deleted"

    def test_a_get_of_the_known_etag_reads(self, provider: Provider) -> None:
        etag = put(provider, "arm.blend", b"arm")
        with provider.get("arm.blend", if_match=etag) as download:
            assert b"".join(download) == b"arm"

    def test_a_get_of_another_etag_is_refused(self, provider: Provider) -> None:
        etag = put(provider, "arm.blend", b"old")
        put(provider, "arm.blend", b"new")
        with pytest.raises(PreconditionFailedError), provider.get("arm.blend", if_match=etag):
            pass

    def test_a_get_of_a_deleted_etag_finds_nothing(self, provider: Provider) -> None:
        etag = put(provider, "arm.blend", b"old")
        provider.delete("arm.blend")
        with pytest.raises((ObjectNotFoundError, PreconditionFailedError)), provider.get("arm.blend", if_match=etag):
            pass

    # -- what is not there

    def test_what_never_was_is_not_found(self, provider: Provider) -> None:
        put(provider, "robot/arm.blend", b"arm")
        for key in ("leg.blend", "robot", "robot/arm", "robot/arm.blend.blend"):
            for ask in (
                lambda key=key: provider.head(key),
                lambda key=key: read(provider, key),
                lambda key=key: provider.delete(key),
                lambda key=key: provider.copy(key, "copy"),
            ):
                with pytest.raises(ObjectNotFoundError) as caught:
                    ask()
                assert is_one_sentence_on(caught.value, key)
        assert keys(provider) == ["robot/arm.blend"]

    def test_what_was_deleted_is_not_found(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        provider.delete("arm.blend")
        for ask in (provider.head, lambda key: read(provider, key), provider.delete):
            with pytest.raises(ObjectNotFoundError):
                ask("arm.blend")

    def test_errors_are_the_built_in_ones_too(self, provider: Provider) -> None:
        with pytest.raises(FileNotFoundError):
            provider.head("arm.blend")
        put(provider, "arm.blend", b"arm")
        with pytest.raises((FileExistsError, NotImplementedError)):
            put(provider, "arm.blend", b"new", IfAbsent())

    # -- copy

    @pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
    def test_a_copy_has_the_bytes_and_the_metadata(self, provider: Provider, content: bytes) -> None:
        provider.put("arm.blend", BytesSource(content), metadata=METADATA)
        answer = provider.copy("arm.blend", "robot/arm 2.blend")
        assert read(provider, "robot/arm 2.blend") == content
        assert read(provider, "arm.blend") == content
        head = provider.head("robot/arm 2.blend")
        assert (head.key, head.etag) == ("robot/arm 2.blend", answer.etag)
        assert answer.sha256 == head.sha256 == sha256(content)
        assert METADATA.items() <= head.metadata.items()  # a server may add some of its own

    def test_a_copy_stays_when_the_original_changes(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        provider.copy("arm.blend", "copy.blend")
        put(provider, "arm.blend", b"new")
        provider.delete("arm.blend")
        assert read(provider, "copy.blend") == b"arm"

    def test_a_copy_replaces_its_target(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        put(provider, "leg.blend", b"a leg")
        provider.copy("arm.blend", "leg.blend")
        assert read(provider, "leg.blend") == b"arm"

    # -- many and for good

    def test_of_many_deletes_each_answers_for_itself(self, provider: Provider) -> None:
        self.fill(provider, ["a/1", "a/2", "b/1"])
        first, missing, second = provider.delete_many(["a/1", "a/never was", "b/1"])
        assert (first, second) == (None, None)
        assert isinstance(missing, ObjectNotFoundError)
        assert is_one_sentence_on(missing, "a/never was")
        assert keys(provider) == ["a/2"]
        assert provider.delete_many([]) == []

    def test_what_is_erased_is_gone(self, provider: Provider) -> None:
        for content in (b"one", b"two"):
            put(provider, "arm", content)
        put(provider, "arm.blend", b"arm")
        provider.erase("arm")
        provider.erase("never was")
        assert keys(provider) == ["arm.blend"]
        for ask in (provider.head, lambda key: read(provider, key), provider.versions):
            with pytest.raises((ObjectNotFoundError, UnsupportedError)):
                ask("arm")
        assert read(provider, "arm.blend") == b"arm"

    def test_what_is_not_there_is_not_shared(self, provider: Provider) -> None:
        with pytest.raises((ObjectNotFoundError, UnsupportedError)):
            provider.share_link("arm.blend", 60)

    # -- listing

    def test_an_empty_store_lists_nothing(self, provider: Provider) -> None:
        provider.check()
        page = provider.list()
        assert (page.objects, page.next_token) == ((), None)

    def test_a_listing_tells_size_etag_and_time(self, provider: Provider) -> None:
        info = provider.put("arm.blend", BytesSource(BIG))
        (listed,) = provider.list().objects
        assert (listed.key, listed.size, listed.etag) == ("arm.blend", len(BIG), info.etag)
        assert listed.modified == provider.head("arm.blend").modified

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", ["arm-old/c", "arm.blend", "arm/a", "arm/b/c", "leg", "é"]),
            ("arm", ["arm-old/c", "arm.blend", "arm/a", "arm/b/c"]),
            ("arm/", ["arm/a", "arm/b/c"]),
            ("arm/b", ["arm/b/c"]),
            ("arm/b/c", ["arm/b/c"]),
            ("arm.", ["arm.blend"]),
            ("arm-o", ["arm-old/c"]),
            ("ARM", []),
            ("arm/c", []),
            ("leg/", []),
            ("nothing", []),
            ("é", ["é"]),
        ],
    )
    def test_a_prefix_is_a_plain_beginning(self, provider: Provider, prefix: str, expected: list[str]) -> None:
        for name in ("leg", "é", "arm.blend", "arm/b/c", "arm-old/c", "arm/a"):
            put(provider, name, b"x")
        assert keys(provider, prefix) == expected

    def test_previews_are_objects_but_in_no_listing(self, provider: Provider) -> None:
        names = (".ggg_previews/arm.blend.png", "models/.ggg_previews/a/leg.blend.png")
        for name in names:
            put(provider, name, b"PNG")
        put(provider, "models/arm.blend", b"x")
        for prefix in ("", "models/"):
            assert keys(provider, prefix) == ["models/arm.blend"]
        assert [read(provider, name) for name in names] == [b"PNG", b"PNG"]
        assert list(provider.delete_many(names)) == [None, None]
        with pytest.raises(ObjectNotFoundError):
            provider.head(names[0])

    def test_what_syncs_note_in_a_store_is_an_object_but_in_no_listing(self, provider: Provider) -> None:
        for name in (".ggg_cloud/marker", "models/.ggg_cloud/a marker"):
            etag = put(provider, name, b"noted", IfAbsent())
            put(provider, name, b"noted again", IfMatch(etag))
            assert keys(provider, name[:-6]) == []
            assert keys(provider) == []
            assert (read(provider, name), provider.head(name).size) == (b"noted again", 11)
            provider.erase(name)
            with pytest.raises(ObjectNotFoundError):
                provider.head(name)

    def test_a_listing_has_every_key_once_whatever_its_letters(self, provider: Provider) -> None:
        names = ["b", "a/b", "a b", "a-b", "a.b", "a0", "aé", "aZ", "z", "Y", "é", "\uffee", "🤖", "a!/x", "a~"]
        for name in names:
            put(provider, name, b"x")
        assert keys(provider) == by_bytes(names)

    def test_pages_together_are_complete(self, provider: Provider) -> None:
        names = [f"{'abc'[number % 3]}/{number % 7}/{number:04}.blend" for number in range(MANY)]
        self.fill(provider, names)
        pages = []
        token = None
        while True:
            page = provider.list(token=token)
            pages.append(page)
            token = page.next_token
            if token is None:
                break
        assert len(pages) > 1
        found = [info.key for page in pages for info in page.objects]
        assert by_bytes(found) == keys(provider) == by_bytes(names)
        assert keys(provider, "b/3") == by_bytes(name for name in names if name.startswith("b/3"))

    def test_a_listing_during_deletes_has_all_that_stays_once(self, provider: Provider) -> None:
        names = [f"{number % 10}/{number:04}" for number in range(MANY // 2)]
        self.fill(provider, names)
        gone = set(names[::50])
        deleting = iter(sorted(gone))
        found = []
        token = None
        while True:
            page = provider.list(token=token)
            found += [info.key for info in page.objects]
            for name in itertools.islice(deleting, 25):
                provider.delete(name)
            token = page.next_token
            if token is None:
                break
        assert len(found) == len(set(found))
        assert set(names) - gone <= set(found) <= set(names)


class ProviderConformance(PlainConformance):
    """Every promise of :class:`~ggg_cloud_addon.cloud_storage.providers.base.Provider`."""

    rounds = 200
    """How much is done in the longer tests of many at once."""

    # -- versions

    def test_versions_are_kept_or_refused(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"one")
        if not provider.capabilities.versions:
            with pytest.raises(UnsupportedError):
                provider.versions("arm.blend")
            return
        (only,) = provider.versions("arm.blend")
        assert (only.key, only.size, only.is_current) == ("arm.blend", 3, True)
        assert only.version_id == provider.head("arm.blend").version_id

    def test_every_content_stays_reachable(self, provider: Provider) -> None:
        contents = [b"one", b"second", b"", b"one", BIG]
        for content in contents:
            put(provider, "arm.blend", content)
        if not provider.capabilities.versions:
            return
        history = provider.versions("arm.blend")
        assert [read(provider, "arm.blend", version_id=each.version_id) for each in history] == contents[::-1]
        assert [each.size for each in history] == [len(content) for content in contents[::-1]]
        assert [each.is_current for each in history] == [True, False, False, False, False]
        assert len({each.version_id for each in history}) == 5

    def test_an_old_version_keeps_its_sha256_and_metadata(self, provider: Provider) -> None:
        old = provider.put("arm.blend", BytesSource(b"old"), metadata=METADATA)
        put(provider, "arm.blend", b"new")
        if not provider.capabilities.versions:
            return
        head = provider.head("arm.blend", version_id=old.version_id)
        assert (head.size, head.sha256, dict(head.metadata)) == (3, sha256(b"old"), METADATA)

    def test_a_version_can_be_read_from_the_middle(self, provider: Provider) -> None:
        old = provider.put("arm.blend", BytesSource(BIG))
        put(provider, "arm.blend", b"new")
        if provider.capabilities.versions:
            assert read(provider, "arm.blend", version_id=old.version_id, start=MIB + 1) == BIG[MIB + 1 :]

    def test_the_current_version_can_be_asked_by_its_id(self, provider: Provider) -> None:
        info = provider.put("arm.blend", BytesSource(b"arm"))
        if provider.capabilities.versions:
            assert read(provider, "arm.blend", version_id=info.version_id) == b"arm"

    def test_deleted_content_stays_reachable(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"one")
        put(provider, "arm.blend", b"two")
        provider.delete("arm.blend")
        if not provider.capabilities.versions:
            return
        history = provider.versions("arm.blend")
        assert [read(provider, "arm.blend", version_id=each.version_id) for each in history] == [b"two", b"one"]
        assert not any(each.is_current for each in history)

    def test_restoring_makes_an_old_version_the_current_one(self, provider: Provider) -> None:
        old = provider.put("arm.blend", BytesSource(b"old"), metadata=METADATA)
        put(provider, "arm.blend", b"new")
        if not provider.capabilities.versions:
            return
        answer = provider.copy("arm.blend", "arm.blend", version_id=old.version_id)
        head = provider.head("arm.blend")
        assert read(provider, "arm.blend") == b"old"
        assert answer.etag == head.etag
        assert dict(head.metadata) == METADATA
        contents = [read(provider, "arm.blend", version_id=each.version_id) for each in provider.versions("arm.blend")]
        assert contents[0] == b"old"
        assert b"new" in contents

    def test_a_deleted_key_can_be_restored(self, provider: Provider) -> None:
        old = provider.put("robot/arm.blend", BytesSource(b"old"))
        provider.delete("robot/arm.blend")
        if not provider.capabilities.versions:
            return
        provider.copy("robot/arm.blend", "robot/arm.blend", version_id=old.version_id, condition=IfAbsent())
        assert read(provider, "robot/arm.blend") == b"old"

    def test_restoring_the_current_version_keeps_it(self, provider: Provider) -> None:
        info = provider.put("arm.blend", BytesSource(b"arm"))
        if provider.capabilities.versions:
            provider.copy("arm.blend", "arm.blend", version_id=info.version_id)
            assert read(provider, "arm.blend") == b"arm"

    def test_an_unknown_version_is_not_found(self, provider: Provider) -> None:
        put(provider, "arm.blend", b"arm")
        other = provider.put("leg.blend", BytesSource(b"a leg"))
        put(provider, "leg.blend", b"another leg")
        if not provider.capabilities.versions:
            return
        for ask in (
            lambda: provider.head("arm.blend", version_id=other.version_id),
            lambda: read(provider, "arm.blend", version_id=other.version_id),
            lambda: provider.copy("arm.blend", "copy", version_id=other.version_id),
        ):
            with pytest.raises(ObjectNotFoundError) as caught:
                ask()
            assert is_one_sentence_on(caught.value, "arm.blend")

    def test_a_key_that_never_was_has_no_history(self, provider: Provider) -> None:
        put(provider, "robot/arm.blend", b"arm")
        if provider.capabilities.versions:
            for key in ("leg.blend", "robot", "robot/arm.blend/x"):
                with pytest.raises(ObjectNotFoundError):
                    provider.versions(key)

    def test_a_refused_put_leaves_no_history(self, provider: Provider) -> None:
        with pytest.raises(CancelledError):
            provider.put("arm.blend", BytesSource(b"arm"), on_bytes=cancel)
        if provider.capabilities.versions:
            with pytest.raises(ObjectNotFoundError):
                provider.versions("arm.blend")

    # -- keys beside keys

    def test_a_key_below_a_key_is_kept_apart_or_refused(self, provider: Provider) -> None:
        put(provider, "arm", b"arm")
        if provider.capabilities.keys_below_keys:
            put(provider, "arm/hand", b"hand")
            assert (read(provider, "arm"), read(provider, "arm/hand")) == (b"arm", b"hand")
            assert (keys(provider, "arm"), keys(provider, "arm/")) == (["arm", "arm/hand"], ["arm/hand"])
            provider.delete("arm")
            assert keys(provider) == ["arm/hand"]
            return
        for act in (lambda: put(provider, "arm/hand", b"hand"), lambda: provider.copy("arm", "arm/hand/x")):
            with pytest.raises(UnsupportedError) as caught:
                act()
            assert str(caught.value).startswith('"arm/hand')
        assert keys(provider) == ["arm"]
        assert read(provider, "arm") == b"arm"

    def test_a_key_above_a_key_is_kept_apart_or_refused(self, provider: Provider) -> None:
        put(provider, "arm/hand", b"hand")
        if provider.capabilities.keys_below_keys:
            put(provider, "arm", b"arm")
            assert (read(provider, "arm"), read(provider, "arm/hand")) == (b"arm", b"hand")
            return
        with pytest.raises(UnsupportedError) as caught:
            put(provider, "arm", b"arm")
        assert is_one_sentence_on(caught.value, "arm")
        assert keys(provider) == ["arm/hand"]

    def test_a_key_can_become_a_folder_and_back(self, provider: Provider) -> None:
        for name in ("arm", "arm/hand", "arm"):
            put(provider, name, name.encode())
            assert read(provider, name) == name.encode()
            provider.delete(name)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("Arm.blend", "arm.blend"), ("robot/é.blend", "robot/e\u0301.blend"), ("STRASSE", "straße")],
        ids=["case", "Unicode form", "sharp s"],
    )
    def test_twins_are_kept_apart_or_refused(self, provider: Provider, one: str, other: str) -> None:
        key_content = {one: b"one", other: b"other"}
        put(provider, one, b"one")
        refused: list[InvalidIdError] = []
        try:
            put(provider, other, b"other")
        except InvalidIdError as error:
            refused.append(error)
        assert all(is_one_sentence_on(error, other) for error in refused)
        assert keys(provider) == (by_bytes([one, other]) if not refused else [one])
        assert [read(provider, key) for key in keys(provider)] == [key_content[key] for key in keys(provider)]

    def test_a_deleted_twin_is_in_nobodys_way(self, provider: Provider) -> None:
        put(provider, "Arm.blend", b"one")
        provider.delete("Arm.blend")
        put(provider, "arm.blend", b"other")
        assert read(provider, "arm.blend") == b"other"
        if provider.capabilities.versions:
            (old,) = provider.versions("Arm.blend")
            assert read(provider, "Arm.blend", version_id=old.version_id) == b"one"

    # -- many at once

    def test_of_many_creators_exactly_one_wins(self, provider: Provider) -> None:
        for number in range(RACES):
            key = f"arm {number}.blend"
            wins, losses = race(lambda racer, key=key: put(provider, key, b"%d" % racer, IfAbsent()) and racer)
            assert len(wins) == 1
            assert {type(error) for error in losses} == {PreconditionFailedError}
            assert read(provider, key) == b"%d" % wins[0]

    def test_of_many_changers_exactly_one_wins(self, provider: Provider) -> None:
        etag = put(provider, "arm.blend", b"begin")
        for number in range(RACES):

            def change(racer: int, number: int = number, etag: str = etag) -> tuple[int, str]:
                return racer, put(provider, "arm.blend", b"%d by %d" % (number, racer), IfMatch(etag))

            wins, losses = race(change)
            assert len(wins) == 1
            assert {type(error) for error in losses} == {PreconditionFailedError}
            ((racer, etag),) = wins
            assert read(provider, "arm.blend") == b"%d by %d" % (number, racer)

    def test_of_a_change_and_a_delete_exactly_one_wins(self, provider: Provider) -> None:
        for _ in range(self.rounds // 4):
            etag = put(provider, "arm.blend", b"old")

            def change_or_delete(racer: int, etag: str = etag) -> int:
                if racer:
                    put(provider, "arm.blend", b"new", IfMatch(etag))
                else:
                    provider.delete("arm.blend", condition=IfMatch(etag))
                return racer

            (winner,), _ = race(change_or_delete, 2)
            assert keys(provider) == (["arm.blend"] if winner else [])

    def test_unconditional_writers_all_succeed_and_lose_nothing(self, provider: Provider) -> None:
        contents = [b"%d" % number for number in range(16)]
        wins, losses = race(lambda racer: put(provider, "arm.blend", contents[racer]) or racer, 16)
        assert (len(wins), losses) == (16, [])
        if provider.capabilities.versions:
            history = provider.versions("arm.blend")
            assert sorted(read(provider, "arm.blend", version_id=each.version_id) for each in history) == sorted(
                contents
            )

    def test_neighbours_do_not_disturb_each_other(self, provider: Provider) -> None:
        def come_and_go(racer: int) -> None:
            for number in range(self.rounds // 4):
                put(provider, f"robot/left/{racer}/{number % 2}", b"x")
                provider.delete(f"robot/left/{racer}/{number % 2}")

        _, losses = race(come_and_go)
        assert losses == []
        assert keys(provider) == []

    @pytest.mark.parametrize("by_version", [False, True], ids=["by key", "by version"])
    def test_readers_see_one_whole_content(self, provider: Provider, by_version: bool) -> None:
        contents = [random.Random(number).randbytes(100_000 + number) for number in range(4)]
        put(provider, "arm.blend", contents[0])
        written = threading.Event()
        seen: list[tuple[str | None, str]] = []

        def look() -> None:
            version_id = None
            if by_version and provider.capabilities.versions:
                version_id = provider.versions("arm.blend")[0].version_id
            with provider.get("arm.blend", version_id=version_id) as download:
                seen.append((download.info.sha256, sha256(b"".join(download))))

        def read_or_write(racer: int) -> None:
            if racer == 0:
                try:
                    for number in range(self.rounds // 2):
                        put(provider, "arm.blend", contents[number % 4])
                finally:
                    written.set()
                return
            while not written.is_set():
                look()

        _, losses = race(read_or_write, 3)
        assert losses == []
        assert all(told == true for told, true in seen)
        assert {true for _, true in seen} <= {sha256(content) for content in contents}

    def test_a_copy_beside_writers_is_one_whole_content(self, provider: Provider) -> None:
        contents = [b"a" * 50_000, b"b" * 60_000]
        put(provider, "arm.blend", contents[0])

        def copy_or_write(racer: int) -> None:
            for number in range(self.rounds // 2):
                if racer:
                    put(provider, "arm.blend", contents[number % 2])
                else:
                    answer = provider.copy("arm.blend", "copy.blend")
                    assert answer.sha256 == sha256(read(provider, "copy.blend"))

        _, losses = race(copy_or_write, 2)
        assert [error for error in losses if not isinstance(error, PreconditionFailedError | SourceChangedError)] == []

    def test_a_key_is_listed_or_not_but_never_fails_while_others_write(self, provider: Provider) -> None:
        for number in range(20):
            put(provider, f"stays/{number:02}", b"x")

        def list_or_write(racer: int) -> None:
            for number in range(self.rounds // 4):
                if racer:
                    put(provider, f"goes/{racer}/{number}", b"x")
                    provider.delete(f"goes/{racer}/{number}")
                else:
                    assert keys(provider, "stays/") == [f"stays/{number:02}" for number in range(20)]

        _, losses = race(list_or_write, 3)
        assert losses == []
