"""Two or three artists, one store, and all that can go wrong: nothing is lost, and in the end all have the same.

A history is a random row of edits, deletes, renames and syncs; requests fail, answers are lost, processes die at any
step, somebody edits in the middle of a sync or is in the middle of a save, other tools write, rename and touch in the
store without a lock, a backup of it is put back, its drive goes away, settings change between runs, clocks are wrong,
and what a sync remembers is lost or replaced by an old copy. What must
hold stands in :mod:`world`. The short run is part of the tests; the long run is::

    pytest tests/sync/test_model.py --histories 20000 --hypothesis-seed 1
"""

import contextlib
import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from memory_store import KINDS as STORES
from steps import KINDS
from world import BESIDE, ODD_TIME_NS, Client, World

from ggg_cloud_addon.cloud_storage.errors import StorageError
from ggg_cloud_addon.cloud_storage.names import check_component_id
from ggg_cloud_addon.cloud_storage.providers import folder as folder_store
from ggg_cloud_addon.cloud_storage.sync import plan as planner
from ggg_cloud_addon.cloud_storage.sync import snapshot

NAME_CHECKED = functools.cache(check_component_id)
BATCH = 250
"""Histories with one seed: each batch can be run again alone."""

PLAIN = ("a", "b", "c/d")
CLASHING = ("a", "A", "a/x", "c/d", "C/d")
"""The same on some systems, and files that would be folders too."""

numbers = st.integers(0, 11)
hows = st.sampled_from(["replace", "replace", "in place", "sly", "odd time"])
clients = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["both"] * 10 + ["upload", "download"]),
        "conflict": st.sampled_from(["keep_both", "keep_both", "newer", "local", "remote", "ask"]),
        "delete_files": st.sampled_from([True] * 10 + [False]),
        "overwrite": st.sampled_from([True] * 10 + [False]),
    }
)
deeds = st.tuples(
    st.sampled_from(
        ["save"] * 6
        + ["longer", "delete", "delete", "rename", "save begins", "save begins", "save ends", "back up", "restore"]
        + ["tool puts", "tool deletes", "tool renames", "tool touches"]
    ),
    numbers,
    numbers,
    hows,
)
TOOLS = ("tool puts", "tool deletes", "tool renames", "tool touches")
meddling = st.sampled_from(["save", "delete", "save begins", "save ends", *TOOLS, "sync", "other"])
other_settings = st.sampled_from(
    [
        {"exclude_patterns": ["a", *BESIDE]},
        {"exclude_patterns": ["c/*", "b", *BESIDE]},
        {"file_patterns": ["b"]},
        {"direction": "upload"},
        {"direction": "download"},
        {"delete_files": False},
        {"overwrite": False},
    ]
)
moments = st.one_of(
    st.tuples(st.just("any"), st.integers(1, 60)),
    st.tuples(st.sampled_from(KINDS), st.integers(1, 5)),
)
syncs = st.one_of(
    st.tuples(st.just("quietly"), st.sampled_from([1, 3])),
    st.tuples(st.just("meddled"), moments, meddling, numbers, hows),
    st.tuples(st.just("meddled"), moments, meddling, numbers, hows),
    st.tuples(st.just("crashes"), moments, st.booleans()),
    st.tuples(st.just("crashes"), moments, st.booleans()),
    st.tuples(st.just("unmounted"), moments),
    st.tuples(st.just("other settings"), other_settings),
    st.tuples(st.just("wrong clock"), st.sampled_from([-400.0, -1.0, 40.0, 4000.0])),
    st.tuples(st.just("bad day"), st.sampled_from([0.1, 0.3, 0.6]), st.integers(0, 10**6)),
    st.tuples(st.just("spoiled"), st.sampled_from(["lost", "torn", "old", "first"])),
    st.tuples(st.just("settle")),
)


class Histories(RuleBasedStateMachine):
    """One history, from first saves to rest."""

    @initialize(
        store=st.sampled_from([*STORES, "folder"]),
        options=st.lists(clients, min_size=2, max_size=3),
        names=st.sampled_from([PLAIN, PLAIN, CLASHING]),
        clock_is_fine=st.booleans(),
    )
    def begin(self, store: str, options: list[dict[str, Any]], names: tuple[str, ...], clock_is_fine: bool) -> None:
        self.patches = pytest.MonkeyPatch()
        if clock_is_fine:  # then a fingerprint holds from the first look on
            self.patches.setattr(snapshot, "TICK_NS", -(10**12))
            self.patches.setattr(snapshot, "COARSE_TICK_NS", -(10**12))
        self.patches.setattr(planner, "check_component_id", NAME_CHECKED)  # a tenth of the time
        self.patches.setattr(folder_store, "PAGE_SIZE", 2)
        self.patches.setattr(folder_store, "CHUNK", 3)
        self.names = names
        self.world = World(store, options)
        for name in names:
            self.world.save(self.world.clients[0], name, "replace")
        for client in self.world.clients:
            self.world.sync_quietly(client)

    @rule(deeds=st.lists(deeds, min_size=1, max_size=4), who=numbers, sync=syncs)
    def work_and_sync(self, deeds: list[tuple[str, int, int, str]], who: int, sync: tuple[Any, ...]) -> None:
        for deed, by, number, how in deeds:
            self.do(deed, self.client(by), number, how)
        client = self.client(who)
        match sync:
            case "quietly", jobs:
                self.world.sync_quietly(client, jobs)
            case "meddled", moment, deed, number, how:
                self.sync_while(client, moment, deed, number, how)
            case "crashes", moment, state_is_old:
                self.world.sync_and_crash(client, *moment, state_is_old=state_is_old)
            case "unmounted", moment:
                self.world.sync_while_unmounted(client, *moment)
            case "other settings", settings_of_run:
                self.world.sync_with_other_settings(client, settings_of_run, self.names)
            case "wrong clock", days:
                self.world.sync_with_a_wrong_clock(client, days)
            case "bad day", rate, chance:
                self.world.sync_on_a_bad_day(client, rate, chance)
            case "spoiled", how:
                self.world.spoil_state(client, how)
                self.world.sync_quietly(client)
            case _:
                self.world.settle()

    def client(self, number: int) -> Client:
        return self.world.clients[number % len(self.world.clients)]

    def name(self, number: int) -> str:
        return self.names[number % len(self.names)]

    def do(self, deed: str, client: Client, number: int, how: str) -> None:
        world, path = self.world, self.name(number)
        match deed:
            case "save":
                world.save(client, path, how)
            case "longer":
                world.save(client, path, how, longer=3)
            case "delete":
                world.delete(client, path)
            case "rename":
                world.rename(client, path, self.name(number // 2 + 1))
            case "save begins":
                world.save_begins(client, path)
            case "save ends":
                world.save_ends(client, path)
            case "tool puts":
                world.tool_puts(path, how)
            case "tool deletes":
                world.tool_deletes(path)
            case "tool renames":
                world.tool_renames(path, self.name(number // 2 + 1))
            case "tool touches":
                world.tool_touches(path, ODD_TIME_NS if how == "odd time" else None)
            case "back up":
                world.back_up()
            case "restore":
                world.restore_backup()

    def sync_while(self, client: Client, moment: tuple[str, int], deed: str, number: int, how: str) -> None:
        world, path = self.world, self.name(number)
        other = world.clients[(world.clients.index(client) + 1) % len(world.clients)]

        def act(replaces: str | None) -> None:
            if deed in ("sync", "other"):
                if deed == "other":
                    world.save(other, path, how)
                with contextlib.suppress(StorageError):
                    world.sync(other)
            elif deed != "save" or replaces != str(client.folder / path):  # else it is after the last look
                world.meddled(path)
                self.do(deed, client, number, how)

        world.sync_while(client, *moment, act, in_store=deed in TOOLS)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.settle()
        finally:
            self.world.close()
            self.patches.undo()


def test_no_history_loses_anything(histories: int, first_seed: int, is_long: bool) -> None:
    for begin in range(0, histories, BATCH):
        batch = first_seed + begin // BATCH
        if is_long:
            print(f"{begin} of {histories} histories; seed {batch}", flush=True)
        try:
            run_state_machine_as_test(
                seed(batch)(type("Histories", (Histories,), {})),
                settings=settings(
                    max_examples=min(BATCH, histories - begin),
                    stateful_step_count=5,
                    deadline=None,
                    database=None,
                    phases=(Phase.generate, Phase.shrink),
                    suppress_health_check=list(HealthCheck),
                    print_blob=False,
                ),
            )
        except BaseException as error:
            error.add_note(f"The seed of this batch of {BATCH} histories: {batch}")
            raise
    if is_long:
        print(f"{histories} histories; seeds {first_seed} to {batch}", flush=True)
