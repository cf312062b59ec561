"""The planner: a table of every situation, and what holds for any snapshots."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggg_cloud_addon.cloud_storage.sync.config import SyncConfig
from ggg_cloud_addon.cloud_storage.sync.plan import Kind, make_plan, refused_deletes
from ggg_cloud_addon.cloud_storage.sync.snapshot import (
    Base,
    BaseFile,
    Fingerprint,
    Local,
    LocalFile,
    Remote,
    RemoteFile,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DELETES = (Kind.DELETE_LOCAL, Kind.DELETE_REMOTE)
WRITES_HERE = (Kind.DELETE_LOCAL, Kind.DOWNLOAD, Kind.KEEP_BOTH)
WRITES_THERE = (Kind.DELETE_REMOTE, Kind.UPLOAD, Kind.KEEP_BOTH)


def here(content: str, *, written: datetime = NOON) -> LocalFile:
    return LocalFile(Fingerprint(len(content), int(written.timestamp()) * 10**9, 1, 1), content)


def there(content: str, *, written: datetime = NOON) -> RemoteFile:
    return RemoteFile(f"etag of {content}", len(content), written, content)


def once(content: str) -> BaseFile:
    return BaseFile(here(content).fingerprint, content, there(content).etag)


def config(**options: object) -> SyncConfig:
    return SyncConfig(**({"local_dir": "x", "delete_files": True} | options))  # type: ignore[arg-type]


SITUATIONS = """
once  here  there  both           upload         download       no deletes     no overwriting
-     new   -      upload         upload         skip           upload         upload
-     -     new    download       skip           download       download       download
-     one   one    already        already        already        already        already
-     one   two    keep           conflict       conflict       keep           conflict
old   old   old    nothing        nothing        nothing        nothing        nothing
old   new   old    upload         upload         skip           upload         skip
old   old   new    download       skip           download       download       skip
old   new   new    already        already        already        already        already
old   one   two    keep           conflict       conflict       keep           conflict
old   -     -      gone           gone           gone           gone           gone
old   -     old    delete_there   delete_there   download       skip           delete_there
old   old   -      delete_here    upload         delete_here    skip           delete_here
old   -     new    download       skip           download       download       download
old   new   -      upload         upload         skip           upload         upload
"""
WORDS = {
    "upload": Kind.UPLOAD,
    "download": Kind.DOWNLOAD,
    "skip": Kind.SKIP,
    "already": Kind.REMEMBER,
    "keep": Kind.KEEP_BOTH,
    "conflict": Kind.CONFLICT,
    "gone": Kind.FORGET,
    "delete_there": Kind.DELETE_REMOTE,
    "delete_here": Kind.DELETE_LOCAL,
    "nothing": None,
}
SETTINGS: list[dict[str, object]] = [
    {},
    {"direction": "upload"},
    {"direction": "download"},
    {"delete_files": False},
    {"overwrite": False},
]


@pytest.mark.parametrize("line", SITUATIONS.strip().splitlines()[1:])
def test_every_situation_has_its_action(line: str) -> None:
    was, mine, theirs, *expected = line.split()
    base = {} if was == "-" else {"arm.blend": once(was)}
    local = {} if mine == "-" else {"arm.blend": here(mine)}
    remote = {} if theirs == "-" else {"arm.blend": there(theirs)}
    plans = [make_plan(local, remote, base, config(**setting)) for setting in SETTINGS]
    assert [plan[0].kind if plan else None for plan in plans] == [WORDS[word] for word in expected]
    assert all(action.reason and action.path == "arm.blend" for plan in plans for action in plan)


OLDER_STORE = """
once  here  there  action
-     new   -      upload
-     -     new    download
-     one   one    already
-     one   two    conflict
old   new   old    upload
old   old   new    conflict
old   one   one    already
old   one   two    conflict
old   -     -      gone
old   -     old    download
old   -     new    download
old   old   -      upload
old   new   -      upload
"""


@pytest.mark.parametrize("line", OLDER_STORE.strip().splitlines()[1:])
def test_with_an_older_store_nothing_is_deleted_or_rolled_back(line: str) -> None:
    was, mine, theirs, expected = line.split()
    base = {} if was == "-" else {"arm.blend": once(was)}
    local = {} if mine == "-" else {"arm.blend": here(mine)}
    remote = {} if theirs == "-" else {"arm.blend": there(theirs)}
    (action,) = make_plan(local, remote, base, config(), is_older=True)
    assert action.kind is WORDS[expected]
    assert action.can_choose == (expected == "conflict")


@pytest.mark.parametrize("is_older", [True, False])
def test_what_was_not_read_is_not_taken_for_the_same(is_older: bool) -> None:
    """As the sizes differ, nobody has read either side."""
    local = {"arm.blend": replace(here("mine"), sha256=None)}
    remote = {"arm.blend": replace(there("theirs"), sha256=None)}
    (action,) = make_plan(local, remote, {}, config(), is_older=is_older)
    assert action.kind in (Kind.KEEP_BOTH, Kind.CONFLICT)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("policy", "older", "expected"),
    [
        ("keep_both", "here", Kind.KEEP_BOTH),
        ("local", "here", Kind.UPLOAD),
        ("remote", "there", Kind.DOWNLOAD),
        ("newer", "here", Kind.DOWNLOAD),
        ("newer", "there", Kind.UPLOAD),
        ("ask", "here", Kind.CONFLICT),
    ],
)
def test_a_conflict_is_solved_as_the_policy_says(policy: str, older: str, expected: Kind, known: bool) -> None:
    before = NOON - timedelta(hours=1)
    local = {"arm.blend": here("mine", written=before if older == "here" else NOON)}
    remote = {"arm.blend": there("theirs", written=before if older == "there" else NOON)}
    base = {"arm.blend": once("old")} if known else {}
    (action,) = make_plan(local, remote, base, config(conflict=policy))
    assert action.kind is expected


@pytest.mark.parametrize(
    ("choice", "expected"), [("keep_both", Kind.KEEP_BOTH), ("local", Kind.UPLOAD), ("remote", Kind.DOWNLOAD)]
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_persons_choice_solves_that_conflict_alone(choice: str, expected: Kind, overwrite: bool) -> None:
    local = {path: here("mine") for path in ("arm.blend", "leg.blend")}
    remote = {path: there("theirs") for path in local}
    plan = make_plan(local, remote, {}, config(conflict="ask", choices={"arm.blend": choice}, overwrite=overwrite))
    assert {action.path: action.kind for action in plan} == {"arm.blend": expected, "leg.blend": Kind.CONFLICT}


@pytest.mark.parametrize("policy", ["keep_both", "newer", "local", "remote", "ask"])
@pytest.mark.parametrize("direction", ["upload", "download"])
def test_one_way_never_writes_the_other_way(policy: str, direction: str) -> None:
    local, remote = {"arm.blend": here("mine")}, {"arm.blend": there("theirs")}
    (action,) = make_plan(local, remote, {}, config(conflict=policy, direction=direction))
    assert action.kind not in (WRITES_HERE if direction == "upload" else WRITES_THERE)


@pytest.mark.parametrize("path", ["../arm.blend", "/arm.blend", "CON.blend", "a\\b.blend", "a/.ggg_cloud/b", "a./b"])
def test_a_path_that_is_not_safe_is_left_alone(path: str) -> None:
    for local, remote in (({}, {path: there("new")}), ({path: here("new")}, {})):
        (action,) = make_plan(local, remote, {path: once("old")}, config())
        assert (action.kind, action.is_misnamed) == (Kind.SKIP, True)


@pytest.mark.parametrize("twin", ["ARM.blend", "Arm.Blend"])
def test_twins_wait_for_a_person(twin: str) -> None:
    plan = make_plan({"arm.blend": here("mine")}, {twin: there("theirs")}, {}, config())
    assert {action.kind for action in plan} == {Kind.CONFLICT}


def test_a_rename_of_case_by_others_asks_for_one_here() -> None:
    local, remote = {"arm.blend": here("old")}, {"Arm.blend": there("old")}
    plan = make_plan(local, remote, {"arm.blend": once("old")}, config(delete_files=False))
    (action,) = (each for each in plan if each.path == "Arm.blend")
    assert action.kind is Kind.CONFLICT
    assert "rename one" in action.reason


def test_a_name_that_changed_its_case_is_a_rename() -> None:
    plan = make_plan({"Arm.blend": here("old")}, {"arm.blend": there("old")}, {"arm.blend": once("old")}, config())
    assert [(action.kind, action.path) for action in plan] == [
        (Kind.DELETE_REMOTE, "arm.blend"),
        (Kind.UPLOAD, "Arm.blend"),
    ]


@pytest.mark.parametrize(
    ("deleted", "known", "share", "refused"),
    [
        (10, 11, None, False),
        (11, 12, None, True),
        (11, 44, None, False),
        (12, 44, None, True),
        (3, 4, 0.5, True),
        (2, 4, 0.5, False),
        (1, 100, 0, True),
        (40, 40, 1, False),
        (1, 1, None, True),  # the last file of a side
        (10, 10, 0.99, True),
    ],
)
@pytest.mark.parametrize("side", ["here", "there"])
def test_a_mass_delete_needs_a_person(deleted: int, known: int, share: float | None, refused: bool, side: str) -> None:
    base = {f"{number}.blend": once("old") for number in range(known)}
    left = list(base)[deleted:]
    remote = {path: there("old") for path in (base if side == "here" else left)}
    local = {path: here("old") for path in (base if side == "there" else left)}
    asked = config(max_delete=share)
    plan = make_plan(local, remote, base, asked)
    assert len(refused_deletes(plan, local, remote, base, asked)) == (deleted if refused else 0)


def test_an_empty_side_is_a_question_however_many_files_may_be_deleted() -> None:
    """Half of them were deleted on the other side too, so that the share is not passed."""
    base = {f"{number}.blend": once("old") for number in range(10)}
    remote = {f"{number}.blend": there("old") for number in range(5)}
    asked = config(max_delete=0.6)
    assert len(refused_deletes(make_plan({}, remote, base, asked), {}, remote, base, asked)) == 5


names = st.sampled_from(["a", "b", "c/d", "e f", "g/h/ü"])
contents = st.sampled_from(["one", "two", "three"])
trees = st.dictionaries(names, contents)
settings = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["both", "upload", "download"]),
        "conflict": st.sampled_from(["keep_both", "newer", "local", "remote", "ask"]),
        "delete_files": st.booleans(),
        "overwrite": st.booleans(),
    }
)


def snapshots(mine: dict[str, str], theirs: dict[str, str], known: dict[str, str]) -> tuple[Local, Remote, Base]:
    return (
        {path: here(content) for path, content in mine.items()},
        {path: there(content) for path, content in theirs.items()},
        {path: once(content) for path, content in known.items()},
    )


@given(trees, settings)
def test_equal_sides_need_nothing(same: dict[str, str], setting: dict[str, object]) -> None:
    assert make_plan(*snapshots(same, same, same), config(**setting)) == ()


@given(trees, trees, trees, settings)
def test_only_what_nobody_changed_is_deleted(
    mine: dict[str, str], theirs: dict[str, str], known: dict[str, str], setting: dict[str, object]
) -> None:
    plan = make_plan(*snapshots(mine, theirs, known), config(**setting))
    for action in plan:
        if action.kind is Kind.DELETE_LOCAL:
            assert action.path not in theirs
            assert mine[action.path] == known[action.path]
        if action.kind is Kind.DELETE_REMOTE:
            assert action.path not in mine
            assert theirs[action.path] == known[action.path]
    kinds = {action.kind for action in plan}
    if setting["direction"] == "upload":
        assert not kinds & set(WRITES_HERE)
    if setting["direction"] == "download":
        assert not kinds & set(WRITES_THERE)
    if not setting["delete_files"]:
        assert not kinds & set(DELETES)
    if not setting["overwrite"]:
        replaced = {action.path for action in plan if action.kind in WRITES_HERE + WRITES_THERE} & mine.keys()
        assert not {path for path in replaced & theirs.keys() if mine[path] != theirs[path]}


@given(trees, trees, settings)
def test_without_a_memory_nothing_is_deleted(
    mine: dict[str, str], theirs: dict[str, str], setting: dict[str, object]
) -> None:
    plan = make_plan(*snapshots(mine, theirs, {}), config(**setting))
    assert not {action.kind for action in plan} & set(DELETES)


@given(trees, trees, trees, st.sampled_from(["keep_both", "newer", "local", "remote"]))
def test_a_plan_carried_out_leaves_nothing_to_do(
    mine: dict[str, str], theirs: dict[str, str], known: dict[str, str], conflict: str
) -> None:
    mine, theirs, known = dict(mine), dict(theirs), dict(known)
    asked = config(conflict=conflict)
    for action in make_plan(*snapshots(mine, theirs, known), asked):
        path = action.path
        if action.kind is Kind.KEEP_BOTH:
            copy = f"{path} (copy)"
            mine[copy] = theirs[copy] = known[copy] = mine[path]
        if action.kind in (Kind.DOWNLOAD, Kind.KEEP_BOTH):
            mine[path] = theirs[path]
        if action.kind is Kind.UPLOAD:
            theirs[path] = mine[path]
        for side in (mine, theirs, known):
            if action.kind in (*DELETES, Kind.FORGET):
                side.pop(path, None)
        if path in mine:
            known[path] = mine[path]
    assert mine == theirs
    assert make_plan(*snapshots(mine, theirs, known), asked) == ()


@given(trees, trees, trees)
def test_deletes_come_first_and_each_path_once(
    mine: dict[str, str], theirs: dict[str, str], known: dict[str, str]
) -> None:
    plan = make_plan(*snapshots(mine, theirs, known), config())
    are_deletes = [action.kind in DELETES for action in plan]
    assert are_deletes == sorted(are_deletes, reverse=True)
    assert len({action.path for action in plan}) == len(plan)
