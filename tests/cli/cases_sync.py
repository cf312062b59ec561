"""What may happen to a user of ``ggg-cloud sync``: one function for each row of docs/exit-codes.md."""

import shutil
import subprocess

from cases import NEW, OLD, THEIRS, Studio, case, line
from filelock import FileLock
from shell import Answer

line("sync-share", "sync", "models", "--max-delete", "2")
line("sync-policy", "sync", "models", "--conflict", "mine")


@case
def sync_done(studio: Studio) -> Answer:
    studio.me.write("models/arm.blend", OLD)
    return studio.sync()


@case
def sync_nothing(studio: Studio) -> Answer:
    studio.synced()
    return studio.sync()


@case
def sync_dry_run(studio: Studio) -> Answer:
    studio.me.write("models/arm.blend", OLD)
    answer = studio.sync("--dry-run")
    assert not studio.me.store.exists()
    return answer


def changed_on_both_sides(studio: Studio) -> None:
    studio.synced()
    studio.me.write("models/arm.blend", NEW)
    studio.me.push("arm.blend", THEIRS)


@case
def sync_conflict_kept(studio: Studio) -> Answer:
    changed_on_both_sides(studio)
    return studio.sync()


@case
def sync_conflict_ask(studio: Studio) -> Answer:
    changed_on_both_sides(studio)
    return studio.sync("--conflict", "ask")


@case
def sync_name(studio: Studio) -> Answer:
    studio.me.write("models/con.blend", NEW)
    studio.me.write("models/arm.blend", NEW)
    answer = studio.sync()
    assert studio.me.pull("arm.blend") == NEW
    return answer


@case
def sync_twins_case(studio: Studio) -> Answer:
    studio.me.write("models/arm.blend", OLD)
    studio.me.write("models/ARM.blend", NEW)
    return studio.sync()


@case
def sync_twins_unicode(studio: Studio) -> Answer:
    studio.me.write("models/größe.blend", OLD)
    studio.me.write("models/gro\u0308ße.blend", NEW)
    return studio.sync()


@case
def sync_folder_in_the_way(studio: Studio) -> Answer:
    studio.synced()
    studio.me.push("hand.blend", THEIRS)
    studio.me.write("models/hand.blend/notes.txt", b"mine")
    answer = studio.sync()
    assert (studio.me.work / "models/hand.blend/notes.txt").read_bytes() == b"mine"
    return answer


@case
def sync_link_in_the_way(studio: Studio) -> Answer:
    studio.synced()
    studio.me.push("hand.blend", THEIRS)
    elsewhere = studio.me.write("elsewhere.blend", b"mine")
    (studio.me.work / "models/hand.blend").symlink_to(elsewhere)
    answer = studio.sync()
    assert elsewhere.read_bytes() == b"mine"
    return answer


@case
def sync_deletes_off(studio: Studio) -> Answer:
    studio.synced()
    (studio.me.work / "models/arm.blend").unlink()
    return studio.sync()


@case
def sync_mass_delete(studio: Studio) -> Answer:
    names = [f"part {number:02}.blend" for number in range(20)]
    studio.synced(*names)
    for name in names[1:]:
        (studio.me.work / "models" / name).unlink()
    answer = studio.sync("--delete")
    assert len(list(studio.me.store.glob("*.blend"))) == 20
    return answer


@case
def sync_empty_here(studio: Studio) -> Answer:
    studio.synced()
    for path in (studio.me.work / "models").glob("*.blend"):
        path.unlink()
    answer = studio.sync("--delete")
    assert len(list(studio.me.store.glob("*.blend"))) == 2
    return answer


@case
def sync_empty_there(studio: Studio) -> Answer:
    studio.synced()
    studio.me.run_each(("delete", "arm.blend", "leg.blend", "--force"))[0].check_done()
    answer = studio.sync("--delete")
    assert len(list((studio.me.work / "models").glob("*.blend"))) == 2
    return answer


@case
def sync_store_older(studio: Studio) -> Answer:
    studio.synced()
    backup = studio.me.store.with_name("backup")
    subprocess.run(["cp", "-a", studio.me.store, backup], check=True)
    studio.me.write("models/arm.blend", NEW)
    studio.me.write("models/new.blend", NEW)
    studio.sync().check_done()
    shutil.rmtree(studio.me.store)
    backup.rename(studio.me.store)
    answer = studio.sync("--delete")
    assert (studio.me.work / "models/arm.blend").read_bytes() == NEW
    assert (studio.me.work / "models/new.blend").read_bytes() == NEW
    return answer


@case
def sync_unreadable(studio: Studio) -> Answer:
    me = studio.me
    for name in ("arm.blend", "leg.blend"):
        me.write(f"models/{name}", name.encode())
    (me.work / "models/arm.blend").chmod(0)
    for folder in (me.work, me.work / "models", me.home, me.tmp):
        folder.chmod(0o777)
    me.store.mkdir(mode=0o777)
    me.store.chmod(0o777)
    for folder in list(me.work.parents)[:-2]:
        folder.chmod(0o755)
    (answer,) = me.run_each(("sync", "models"), nobody=True)
    assert (me.store / "leg.blend").read_bytes() == b"leg.blend"
    assert "arm.blend" in answer.out
    return answer


@case
def sync_store_gone(studio: Studio) -> Answer:
    studio.synced()
    studio.me.store.rename(studio.me.store.with_name("not mounted"))
    studio.me.store.mkdir()
    return studio.sync("--delete")


@case
def sync_running(studio: Studio) -> Answer:
    studio.synced()
    with FileLock(studio.me.work / "models/.ggg_cloud/lock"):
        return studio.sync()


@case
def sync_no_folder(studio: Studio) -> Answer:
    studio.me.push("arm.blend", OLD)
    answer = studio.sync()
    assert not (studio.me.work / "models").exists()
    return answer


@case
def sync_in_store(studio: Studio) -> Answer:
    studio.me.write("../store/models/arm.blend", OLD)
    answer = studio.me.run_each(("sync", str(studio.me.store / "models")))[0]
    assert not list(studio.me.store.rglob(".ggg_*"))
    return answer


@case
def sync_store_inside(studio: Studio) -> Answer:
    studio.me.write("models/arm.blend", OLD)
    store = studio.me.work / "models" / "store"
    answer = studio.me.run_each(("sync", "models", f"--root={store}"), root=False)[0]
    assert not list(studio.me.work.rglob(".ggg_*"))
    return answer
