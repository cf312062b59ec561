"""Every property that RNA lets one write, of everything that a component can hold: an update takes over what is new,
keeps what the user changed, and asks where both did."""

from collections import Counter

import pytest

bpy = pytest.importorskip("bpy")

import everything  # noqa: E402
import machine  # noqa: E402

from ggg_cloud_addon.blender.scene.closure import ROOT  # noqa: E402
from ggg_cloud_addon.blender.scene.convert import straight_through  # noqa: E402
from ggg_cloud_addon.blender.scene.load import read_steps  # noqa: E402
from ggg_cloud_addon.blender.scene.merge import is_state  # noqa: E402
from ggg_cloud_addon.blender.scene.provenance import Origin, forget, marked, remember, take  # noqa: E402
from ggg_cloud_addon.blender.scene.update import ClashError, update  # noqa: E402

OLD, NEW = (Origin("here", "all.blend", name, name, name) for name in ("old", "new"))


pytestmark = pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="in Blender 4.2 the sweep still finds differences")


@pytest.fixture(scope="module", autouse=True)
def notes():
    if "ggg_cloud_addon" not in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_enable(module="ggg_cloud_addon")


@pytest.fixture(scope="module")
def versions(tmp_path_factory, notes):
    """Files with the component as it was, with all changed, and with one custom property of each datablock changed."""
    folder = tmp_path_factory.mktemp("versions")
    new_file()
    made = everything.make()
    save(folder / "old.blend", made)
    for name, how in (("all", lambda each: machine.change(each, 1)), ("some", touch)):
        pulled = pull(folder / "old.blend")
        for each in parts(pulled).values():
            how(each)
        save(folder / f"{name}.blend", pulled)
    return folder


def touch(datablock):
    datablock["real"] = 7.5


def new_file():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def save(path, collection):
    scene = bpy.data.scenes.new("stored")
    scene.collection.children.link(collection)
    bpy.data.libraries.write(str(path), {scene}, path_remap="NONE")


def pull(path):
    """Into a new file; nothing is evaluated, as changed settings may ask for hours of simulation."""
    new_file()
    loaded = straight_through(read_steps(path, "everything"))
    forget(loaded.names)
    remember(loaded.collection, OLD, take({**loaded.names, loaded.collection: ROOT}))
    bpy.context.scene.collection.children.link(loaded.collection)
    return loaded.collection


def parts(collection):
    return {named: each[0] for named, each in marked(collection.ggg_cloud.key).items() if named[1] != ROOT}


def look(collection):
    return {
        (*named, path): value for named, each in parts(collection).items() for path, value in machine.read(each).items()
    }


def differences(one, other):
    return {each for each in one.keys() | other.keys() if one.get(each, "-") != other.get(each, "-")}


def told(paths, title, capsys):
    kinds = Counter(each[0] for each in paths)
    with capsys.disabled():
        print(
            f"\n{title}: {len(paths)} properties",
            f"({', '.join(f'{kind} {count}' for kind, count in kinds.most_common(6))} ...)",
        )


def test_what_is_new_comes(versions, capsys):
    new = look(pull(versions / "all.blend"))
    here = pull(versions / "old.blend")
    old = look(here)
    tried = differences(old, new)
    assert len(tried) > 5000
    update(here, versions / "all.blend", versions / "old.blend", NEW, bpy.context)
    assert sorted(differences(look(here), new), key=repr) == []
    assert here.ggg_cloud.sha256 == "new"
    told(tried, "Changed in the new version", capsys)


def test_what_the_user_changed_stays_beside_what_is_new(versions, capsys):
    here = pull(versions / "old.blend")
    old = look(here)
    for each in parts(here).values():
        machine.change(each, 1)
    mine = look(here)
    tried = differences(old, mine)
    assert len(tried) > 5000
    update(here, versions / "some.blend", versions / "old.blend", NEW, bpy.context)
    now = look(here)
    moved = {("OBJECT", "Text", "delta_location")}  # by its action
    lost = sorted(differences(now, mine) - moved, key=repr)
    assert not lost, [(each, mine.get(each), now.get(each)) for each in lost][:40]
    assert {each["real"] for each in parts(here).values()} == {7.5}
    told(tried, "Changed here only", capsys)


def test_what_both_changed_is_asked(versions, capsys):
    new = look(pull(versions / "all.blend"))
    here = pull(versions / "old.blend")
    old = look(here)
    for each in parts(here).values():
        machine.change(each, 2)
    mine = look(here)
    both = differences(old, new) & differences(old, mine) & differences(mine, new)
    assert len(both) > 2000
    with pytest.raises(ClashError) as error:
        update(here, versions / "all.blend", versions / "old.blend", NEW, bpy.context)
    assert differences(look(here), mine) == set()
    asked = set(error.value.clashes)
    missed = {each for each in both if not is_asked(*each, asked)}
    unasked = Counter(each[2].rsplit(".", 1)[-1] for each in missed if not is_state((each[2].rsplit(".", 1)[-1],)))
    assert unasked.keys() - SETTLED == set(), (
        unasked,
        [each for each in missed if each[2].rsplit(".", 1)[-1] not in SETTLED][:40],
    )
    told(both, "Changed by both", capsys)
    update(here, versions / "all.blend", versions / "old.blend", NEW, bpy.context, "theirs")
    settled = look(here)
    others = {each for each in both if not is_settled(each[2])}
    assert {each for each in others if settled.get(each) != new.get(each)} <= missed


def is_settled(path):
    last = path.rsplit(".", 1)[-1]
    return last in SETTLED or is_state((last,))


def is_asked(kind, name, path, asked):
    """Whether it is, by itself or in what is decided as one: geometry, a node tree, a list of points."""
    found = [each.split("(", 1)[1][:-1] for each in asked if each.startswith(f'"{name}" (')]
    last = path.rsplit(".", 1)[-1]
    return any(
        path.startswith(each.removesuffix("shape"))
        or each.rsplit(".", 1)[-1] == last
        or (kind == "MESH" and each == "geometry")
        or each == "nodes"
        or (each == "parent" and last in ("parent_type", "parent_bone", "parent_vertices", "matrix_parent_inverse"))
        for each in found
    )


SETTLED = {
    "location",
    "rotation_quaternion",
    "rotation_euler",
    "rotation_axis_angle",
    "scale",
    "delta_location",
    "value",
}
"""Where both changed one, nobody is asked: an object's place moves on from where the user put it; how something is
looked at stays the user's; and what an action or a driver moves is set anew with each frame."""


def test_what_is_left_out_is_known(versions, capsys):
    found = {}
    for each in parts(pull(versions / "old.blend")).values():
        found |= machine.left_out(each)
    with capsys.disabled():
        print("\nLeft out:", *(f"  {name}: {why}" for name, why in sorted(found.items())), sep="\n")
    assert all(found.values())
