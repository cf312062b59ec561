"""Breaks the sync on purpose, and sees that the tests notice: ``python tests/sync/mutants.py``.

Each mutant is a copy of the package with one change; the tests of sync that need no server run on it, up to the first
failure. Prints a line for each and what survived; the exit code is 1 where fewer than 95 % are caught.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYNC = "ggg_cloud_addon/cloud_storage/sync"
TESTS = (
    "sync/test_plan.py",
    "sync/test_trash.py",
    "sync/test_listing_ahead.py",
    "sync/test_planner_model.py",
    "drives/test_drive_inside.py",
    "sync/test_absence.py",
    "sync/test_sync.py",
    "sync/test_others_bugs.py",
    "sync/test_older_store.py",
    "sync/test_studio_folders.py",
    "sync/test_model.py",
)
"""The quickest first, and the model last."""
FIRST = {
    "../files": "sync/test_studio_folders.py",
    "hashing": "sync/test_studio_folders.py",
    "marker": "sync/test_older_store.py",
    "scan": "sync/test_studio_folders.py",
    "state": "sync/test_trash.py",
    "synchronizer": "sync/test_older_store.py",
}
"""What most likely notices a mutant of a module."""
LEFT_OUT = ("that_lead_out", "cut_off_in_a_page", "test_s3", "test_aws_s3", "InTheStore")
"""Tests that start a server, or are about a disk inside the store, which is not the sync's."""
OPTIONS = ("--histories", "60", "--planner-cases", "3000", "-k", " and ".join(f"not {each}" for each in LEFT_OUT))
SECONDS = 900
"""A mutant whose tests take longer hangs."""
PROMISED = 0.95

MUTANTS = (
    # The planner: who is newer, and who wins.
    ("plan", "local is None and remote is None:", "local is None or remote is None:"),
    ("plan", "if local.sha256 != base.sha256:\n            return _upload", "if False:\n            return _upload"),
    ("plan", "if local.sha256 != base.sha256:\n            return _upload", "if local.sha256 == base.sha256:\n            return _upload"),
    ("plan", 'if _changed_there(remote, base):\n            return _download(path, remote, "changed there, d', 'if False:\n            return _download(path, remote, "changed there, d'),
    ("plan", 'if _changed_there(remote, base):\n            return _download(path, remote, "changed there, d', 'if not _changed_there(remote, base):\n            return _download(path, remote, "changed there, d'),
    ("plan", 'return Action(Kind.DELETE_LOCAL, path, "deleted there")', 'return _upload(path, local, "deleted there")'),
    ("plan", 'return Action(Kind.DELETE_REMOTE, path, "deleted here")', 'return _download(path, remote, "deleted here")'),
    ("plan", 'return _upload(path, local, "new here")', "return None"),
    ("plan", 'return _download(path, remote, "new there")', "return None"),
    ("plan", 'return _upload(path, local, "changed here, deleted there")', 'return Action(Kind.FORGET, path, "")'),
    ("plan", 'return _download(path, remote, "changed there, deleted here")', 'return Action(Kind.FORGET, path, "")'),
    ("snapshot", "here.sha256 != known.sha256 or there.etag != known.etag", "here.sha256 != known.sha256 and there.etag != known.etag"),
    ("snapshot", "here is None or there is None or here.sha256", "here is None or here.sha256"),
    ("plan", "if not _changed_there(remote, base):\n            is_same", "if _changed_there(remote, base):\n            is_same"),
    ("plan", 'else _upload(path, local, "changed here")', 'else _download(path, remote, "changed here")'),
    ("plan", 'return _download(path, remote, "changed there")', 'return _upload(path, local, "changed there")'),
    ("plan", 'if local.sha256 == base.sha256:\n            return _download', 'if True:\n            return _download'),
    ("plan", 'if local.sha256 == base.sha256:\n            return _download', 'if False:\n            return _download'),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    if base", "if local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    if base"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    if base", "if local.sha256 is not None:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    if base"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    if base", "if False:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    if base"),
    ("plan", "config.choices.get(path, config.conflict)", "config.conflict"),
    ("plan", 'policy = "local" if written > remote.modified else "remote"', 'policy = "remote" if written > remote.modified else "local"'),
    ("plan", 'if policy == "local":', 'if policy == "remote":'),
    ("plan", 'if policy == "keep_both" and config.direction == "both":', 'if policy == "keep_both":'),
    ("plan", 'if policy == "keep_both" and config.direction == "both":', 'if config.direction == "both":'),
    # The planner: touched objects.
    ("plan", "remote.etag != base.etag and remote.sha256 != base.sha256", "remote.etag != base.etag or remote.sha256 != base.sha256"),
    ("plan", "remote.etag != base.etag and remote.sha256 != base.sha256", "remote.etag != base.etag"),
    ("plan", "remote.etag != base.etag and remote.sha256 != base.sha256", "remote.sha256 != base.sha256"),
    ("plan", 'return Action(Kind.REMEMBER, path, "touched there") if is_same else _upload', "return _upload"),
    ("plan", 'if is_same else _upload(path, local, "changed here")', ""),
    # The planner: what was not looked at, and sending again.
    ("plan", "if not base.observed:\n            return _upload", "if False:\n            return _upload"),
    ("plan", "if not base.observed:\n            return _download", "if False:\n            return _download"),
    ("plan", 'if config.direction == "upload" or config.choices.get(path) == "local":', 'if config.choices.get(path) == "local":'),
    ("plan", 'if config.direction == "upload" or config.choices.get(path) == "local":', 'if config.direction == "upload":'),
    ("plan", 'if config.direction == "download" or config.choices.get(path) == "remote":', 'if config.choices.get(path) == "remote":'),
    ("plan", 'if config.direction == "download" or config.choices.get(path) == "remote":', 'if config.direction == "download":'),
    # The planner: a store in an older state.
    ("plan", "_decide_with_older_store if is_older else _decide", "_decide"),
    ("plan", 'return _upload(path, local, "missing in the older storage")', 'return Action(Kind.DELETE_LOCAL, path, "")'),
    ("plan", 'return _download(path, remote, "missing here")\n        return Action(Kind.F', 'return Action(Kind.DELETE_REMOTE, path, "")\n        return Action(Kind.F'),
    ("plan", 'return Action(Kind.FORGET, path, "missing on both sides")', 'return Action(Kind.SKIP, path, "")'),
    ("plan", "if base is not None and not _changed_there(remote, base):\n        return _decide", "if False:\n        return _decide"),
    ("plan", "if base is not None and not _changed_there(remote, base):\n        return _decide", "if base is not None:\n        return _decide"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    action", "if False:\n        return None\n    action"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    action", "if local.sha256 == remote.sha256:\n        return Action(Kind.REMEMBER, path, \"the same on both sides\")\n    action"),
    ("plan", "if action.kind in (Kind.KEEP_BOTH, Kind.CONFLICT):", "if action.kind in (Kind.CONFLICT,):"),
    ("plan", 'the storage is older than at the last sync", can_choose=True', 'the storage is older than at the last sync"'),
    # The planner: what the settings forbid, and the guards.
    ("plan", 'if config.direction == "upload" and action.kind in (Kind.DOWNLOAD, Kind.DELETE_LOCAL)', 'if config.direction == "upload" and action.kind in (Kind.DOWNLOAD,)'),
    ("plan", 'elif config.direction == "download" and action.kind in (Kind.UPLOAD, Kind.DELETE_REMOTE)', 'elif config.direction == "download" and action.kind in (Kind.UPLOAD,)'),
    ("plan", 'if config.direction == "upload" and', 'if config.direction == "download" and'),
    ("plan", "elif not config.delete_files and action.kind in DELETES:", "elif False:"),
    ("plan", "elif not overwrite and action.kind is Kind.KEEP_BOTH:", "elif False:"),
    ("plan", "elif not overwrite and is_here and is_there", "elif not overwrite and (is_here or is_there)"),
    ("plan", "elif not overwrite and is_here and is_there", "elif False and is_here and is_there"),
    ("plan", "_allowed(_checked(action)", "_allowed((action)"),
    ("plan", "str(error), is_misnamed=True)", "str(error))"),
    ("plan", "max(MIN_DELETES, DEFAULT_MAX_DELETE * len(base))", "min(MIN_DELETES, DEFAULT_MAX_DELETE * len(base))"),
    ("plan", "max(MIN_DELETES, DEFAULT_MAX_DELETE * len(base))", "DEFAULT_MAX_DELETE * len(base)"),
    ("plan", "allowed = config.max_delete * len(base)", "allowed = max(MIN_DELETES, config.max_delete * len(base))"),
    ("plan", "if config.max_delete is None:", "if not config.max_delete:"),
    ("plan", "len(deletes) > allowed", "len(deletes) >= allowed"),
    ("plan", "return deletes if len(deletes) >", "return () if len(deletes) >"),
    ("plan", "is_all_gone = not local or not remote", "is_all_gone = not local"),
    ("plan", "is_all_gone = not local or not remote", "is_all_gone = not remote"),
    ("plan", "is_all_gone and config.max_delete != 1", "is_all_gone"),
    ("plan", "is_all_gone and config.max_delete != 1", "is_all_gone and config.max_delete is None"),
    ("plan", " and base[each.path].sha256 not in moved)", ")"),
    ("plan", "        if path not in deleted:\n", "        if True:\n"),
    ("plan", "families[fold(name)].add", "families[name].add"),
    ("plan", "if other != name:", "if False:"),
    ("plan", "if is_file != (name == action.path):", "if False:"),
    ("plan", "each.kind not in DELETES,\n", "each.kind in DELETES,\n"),
    ("plan", "if other in skipped and other not in local:", "if False:"),
    ("plan", "if other in skipped and other not in local:", "if other in skipped:"),
    # The planner: what is in the way.
    ("plan", "for folder in with_folders(path)} if fetched", "for folder in [path]} if fetched"),
    ("plan", "(hindrance == name or name == action.path)", "hindrance == name"),
    ("plan", "(hindrance == name or name == action.path)", "name == action.path"),
    ("plan", 'if hindrance.startswith(f"{path}/"):', "if False:"),
    ("synchronizer", "(found.files.keys() | found.links) - local.keys()", "found.files.keys() - local.keys()"),
    ("synchronizer", "(found.files.keys() | found.links) - local.keys()", "found.links - local.keys()"),
    ("synchronizer", "(found.files.keys() | found.links) - local.keys()", "found.files.keys() | found.links"),
    # Carrying it out: conditions, second looks, what is kept.
    ("apply", "IfMatch(remote.etag) if remote else IfAbsent()", "None"),
    ("apply", "IfMatch(remote.etag) if remote else IfAbsent()", "IfMatch(remote.etag) if remote else None"),
    ("apply", "condition=condition, on_bytes", "condition=None, on_bytes"),
    ("apply", "self._provider.delete(self._prefix + path, condition=IfMatch(etag))", "self._provider.delete(self._prefix + path)"),
    ("apply", "        if remote is not None:\n            self._keep_remote(path, remote.etag)\n", ""),
    ("apply", "        self._keep_remote(path, etag)\n", ""),
    ("apply", "if not self._provider.capabilities.versions:", "if self._provider.capabilities.versions:"),
    ("apply", "if_match=self._remote[path].etag,", "if_match=None,"),
    ("apply", "            self._look_again(path)\n            if path in self._local:", "            if path in self._local:"),
    ("apply", "            self._look_again(path)\n            if path in self._local:\n                keep_old()\n                self._look_again(path, but_ctime=True)", "            if path in self._local:\n                keep_old()\n                pass"),
    ("apply", "                keep_old()\n", ""),
    ("apply", "self._look_again(path, but_ctime=True)", "pass"),
    ("apply", "if path in self._local:\n                keep_old()", "if False:\n                keep_old()"),
    ("apply", "lambda: self._look_again(path))", "lambda: None)"),
    ("apply", "move_away(self._target(path), self._trash.place(path), self._tmp, lambda: self._look_again(path))", "self._look_again(path)\n        os.remove(self._target(path))"),
    ("apply", "Fingerprint.of(source.stat, looked_ns=source.looked_ns)", "Fingerprint.of(source.path.stat())"),
    ("apply", "BaseFile(arrived[0], info.sha256, info.etag)", "BaseFile(Fingerprint.of(target.lstat()), info.sha256, info.etag)"),
    ("apply", "Fingerprint.of(part.stat(), moved=True)", "replace(Fingerprint.of(part.stat(), moved=True), settled=True)"),
    ("apply", "return known | (yield from self._send(copies[0], IfAbsent(), progress))", "return known"),
    ("apply", "return known | (yield from self._send(copies[0], IfAbsent(), progress))", "return (yield from self._send(copies[0], IfAbsent(), progress))"),
    ("apply", "return {path: BaseFile(local.fingerprint, local.sha256, self._remote[path].etag)}", "return {path: None}"),
    ("apply", "def _forget(self, path: str, progress: Progress) -> Steps[Known]:\n        yield from ()\n        return {path: None}", "def _forget(self, path: str, progress: Progress) -> Steps[Known]:\n        yield from ()\n        return {}"),
    ("apply", "if target.is_symlink() or (\n", "if (\n"),
    ("apply", "if target.is_symlink() or (\n", "if target.is_symlink() and (\n"),
    ("apply", '"/" in path and not Path(', 'False and not Path('),
    ("apply", "if seen != planned:", "if seen is None:"),
    ("apply", "keep_as(self._target(path), self._target(copy), self._tmp)", "os.replace(self._target(path), self._target(copy))"),
    ("apply", "            number += 1", "            number += 0"),
    ("apply", "room = min(MAX_NAME_BYTES,", "room = max(MAX_NAME_BYTES,"),
    ("apply", "            target.rmdir()\n        arrived", "            pass\n        arrived"),
    ("apply", "for folder in Path(path).parents[:-1]:", "for folder in ():"),
    # Absence: the second look, the signs of a save, the wait, and the object that comes back.
    ("apply", "        self._look_again(path)\n        self._provider.delete", "        self._provider.delete"),
    ("apply", "if planned is None and path in self._base and self._is_being_saved(path):", "if False:"),
    ("apply", "if planned is None and path in self._base and self._is_being_saved(path):", "if planned is None and self._is_being_saved(path):"),
    ("apply", 'if os.path.lexists(f"{target}@"):', "if False:"),
    ("apply", 'os.lstat(f"{target}1").st_ctime_ns', 'os.lstat(f"{target}1").st_mtime_ns'),
    ("apply", "return abs(time.time_ns() - renamed_ns) < SAVE_SECONDS * 1e9", "return False"),
    ("apply", "return abs(time.time_ns() - renamed_ns) < SAVE_SECONDS * 1e9", "return True"),
    ("apply", "return abs(time.time_ns() - renamed_ns) < SAVE_SECONDS * 1e9", "return time.time_ns() - renamed_ns < SAVE_SECONDS * 1e9"),
    ("apply", "any(each.kind in DELETES or (each.path in self._base and each.path not in self._local) for", "any(each.kind in DELETES for"),
    ("apply", "each.path in self._base and each.path not in self._local", "each.path not in self._local"),
    ("apply", "any(each.kind in DELETES or (", "any(False or ("),
    ("apply", "                tick()\n", ""),
    ("synchronizer", "applier.outwait_saves(plan, looked, lambda: tell(Looked(len(local) + len(remote))))", "pass"),
    ("synchronizer", "            looked = time.monotonic()  #", "            looked = time.monotonic() - 0.4  #"),
    ("apply", "if not S_ISDIR(stat.st_mode):", "if True:"),
    ("apply", "contextlib.suppress(FileNotFoundError, NotADirectoryError)", "contextlib.suppress(FileNotFoundError)"),
    ("apply", "if but_ctime and planned is not None and seen is not None:", "if False:"),
    ("apply", "if planned is None and seen is not None and self._is_a_twin(path):", "if False:"),
    ("apply", "if planned is None and seen is not None and self._is_a_twin(path):", "if planned is None:"),
    # Which files are the same, and what was looked at.
    ("snapshot", "return self.settled and seen ==", "return seen =="),
    ("snapshot", "None if moved else stat.st_ctime_ns", "stat.st_ctime_ns"),
    ("snapshot", "settled = not moved and age", "settled = age"),
    ("scan", "if known.fingerprint.holds(fingerprint):", "if True:"),
    ("synchronizer", "                    state.remember(path, replace(was, observed=False))", "                    pass"),
    ("synchronizer", "observed = was.observed or path in remote", "observed = was.observed"),
    ("synchronizer", "observed = was.observed or path in remote", "observed = True"),
    ("synchronizer", "elif found is not None and found.sha256 == was.sha256:", "elif False:"),
    ("state", "file.sha256, file.etag, file.observed)", "file.sha256, file.etag, True)"),
    # Comparing by content.
    ("hashing", "there is None or (known is not None and there.etag == known.etag)", "there is None"),
    ("hashing", "return there.size in sizes", "return True"),
    ("hashing", "(here and here.fingerprint, known and known.fingerprint)", "(here and here.fingerprint,)"),
    ("hashing", "(here and here.fingerprint, known and known.fingerprint)", "(known and known.fingerprint,)"),
    ("hashing", "if mine is not None and self._provider.vouches_for(listed, self._root / path, mine):", "if mine is not None:"),
    ("hashing", "if mine is not None and self._provider.vouches_for(listed, self._root / path, mine):", "if False:"),
    ("hashing", "and info.sha256 not in (mine, known):", "and info.sha256 != mine:"),
    ("hashing", "and info.sha256 not in (mine, known):", "and info.sha256 != known:"),
    ("hashing", "contextlib.suppress(ObjectNotFoundError, PreconditionFailedError)", "contextlib.suppress(PreconditionFailedError)"),
    ("listing", "pages.put(error)", "pages.put(Page((), None))"),
    ("listing", "for key in page.unreadable:", "for key in ():"),
    # What cannot be read.
    ("scan", "return path in self.unreadable or any(", "return any("),
    ("scan", 'return path in self.unreadable or any(f"{folder}/" in self.unreadable for folder in with_folders(path)[:-1])', "return path in self.unreadable"),
    ("synchronizer", "for snapshot in (local, remote, base):", "for snapshot in (local, base):"),
    ("synchronizer", "for snapshot in (local, remote, base):", "for snapshot in (local, remote):"),
    ("synchronizer", "result.errors.update(found.unreadable)", "pass"),
    ("hashing", "found.unreadable[path] = mine", "pass"),
    ("scan", "if not folder:  # nothing", "if False:  # nothing"),
    ("scan", "except (FileNotFoundError, NotADirectoryError):  # deleted", "except ZeroDivisionError:  # deleted"),
    ("scan", "except FileNotFoundError:  # Blender's", "except ZeroDivisionError:  # Blender's"),
    ("scan", "except FileNotFoundError:  # deleted", "except ZeroDivisionError:  # deleted"),
    ("scan", "if is_part(entry.name):", "if False:"),
    ("scan", "if entry.name not in RESERVED_FOLDERS and", "if"),
    ("scan", "(folder or entry.name not in SYSTEM_FOLDERS)", "True"),
    ("scan", "for path in sorted(found.links & synced):", "for path in ():"),
    ("scan", "{name for known in base for name in with_folders(known)}", "{*base}"),
    ("scan", "is_known = known not in local and _is_same_file(root / known, fingerprint)", "is_known = known not in local"),
    ("scan", "is_known = known not in local and _is_same_file(root / known, fingerprint)", "is_known = False"),
    # A file that has other names, another file system, no hard links.
    ("../files", "if source.lstat().st_nlink == 1:\n        link_or_copy", "if True:\n        link_or_copy"),
    ("../files", "if source.lstat().st_nlink == 1:\n        try:\n            os.link", "if True:\n        try:\n            os.link"),
    ("../files", "if source.lstat().st_nlink == 1:\n        check()", "if True:\n        check()"),
    ("../files", "if error.errno != errno.EXDEV:\n                raise\n    with copied", "raise\n    with copied"),
    ("../files", "if error.errno != errno.EXDEV:\n            raise\n        sweep", "raise\n        sweep"),
    ("../files", "        check()\n        os.replace(part, target)", "        os.replace(part, target)"),
    ("../files", "        os.replace(part, target)\n        source.unlink()", "        os.replace(part, target)"),
    ("../files", '        target.open("xb").close()', "        pass"),
    ("../files", "part.chmod(before & 0o777)", "pass"),
    # Whether the store is an older one, went away, or is not to be synced with.
    ("marker", "folder or secrets.token_hex(8)", '"folder"'),
    ("marker", "            provider.erase(key)\n", "            pass\n"),
    ("marker", 'state.set_marker(f"{folder}/{number}")', "pass"),
    ("marker", "except StorageError:", "except ZeroDivisionError:"),
    ("marker", "except (ObjectNotFoundError, ValueError, KeyError, TypeError):", "except ObjectNotFoundError:"),
    ("synchronizer", "_has_news_there(remote, base) and marker.is_missing(self._provider, self._prefix, state)", "False"),
    ("synchronizer", "return bool(remote) and any(", "return any("),
    ("synchronizer", "path not in remote or remote[path].etag != was.etag", "path not in remote"),
    ("synchronizer", "path not in remote or remote[path].etag != was.etag", "path in remote and remote[path].etag != was.etag"),
    ("synchronizer", "if result.done and self._identity() != identity:", "if False:"),
    ("synchronizer", "for path in remembered:", "for path in ():"),
    ("synchronizer", "if self._identity() != identity:  #", "if False:  #"),
    ("synchronizer", "            state.expect_folder()  #", "            pass  #"),
    ("synchronizer", "            self._refuse_the_store_itself()\n", "            pass\n"),
    ("synchronizer", "            self._refuse_the_store_itself()\n", "            self._provider.check()\n            self._refuse_the_store_itself()\n"),
    ("synchronizer", "if any((folder / STORE_FOLDER).exists() for folder in (root, *root.parents)):", "if False:"),
    ("synchronizer", "if root.is_relative_to(store):", "if False:"),
    ("synchronizer", "if store.is_relative_to(root):", "if False:"),
    ("synchronizer", "root, store = Path(os.path.realpath(self._root)),", "root, store = Path(os.path.abspath(self._root)),"),
    ("synchronizer", "store = Path(os.path.realpath(store))", "store = Path(os.path.abspath(store))"),
    ("scan", "if entry.name == STORE_FOLDER:", "if False:"),
    ("synchronizer", 'if self._config.direction != "download":', "if True:"),
    ("synchronizer", 'if self._config.direction != "download":', "if False:"),
    ("synchronizer", 'self._provider.location if self._config.direction == "download" else ""', '""'),
    ("synchronizer", "if not self._provider.identity and not is_first and was_marked:", "if False:"),
    ("synchronizer", "is_first = last is None or", "is_first = True or"),
    ("synchronizer", "            if refused:\n                raise", "            if False:\n                raise"),
    ("synchronizer", "if result.done or result.errors:  #", "if False:  #"),
    # The state.
    ("state", "[(FORMER_SCHEMA, store)]:", '"":'),
    ("state", "SELECT *, 1 FROM files", "SELECT *, 0 FROM files"),
    ("state", "schemas = (SCHEMA, FORMER_SCHEMA)", "schemas = (SCHEMA, SCHEMA)"),
    ("state", "[(SCHEMA, store)]:  #", '"":  #'),
    ("state", "inode TEXT, ctime_ns TEXT", "inode INTEGER, ctime_ns INTEGER"),
    ("state", "mtime_ns TEXT, inode", "mtime_ns INTEGER, inode"),
    ("state", "times = (str(seen.mtime_ns), str(seen.inode), ctime)", "times = (seen.mtime_ns, seen.inode, ctime)"),
    ("state", '!= ("ok",):', '== "":'),
    ("state", "!= list(COLUMNS):", '== "":'),
    ("state", "journal\").unlink(missing_ok=True)", 'journal")'),
    ("state", "        self._flush()\n", ""),
    ("state", "            lock = take_lock(folder / LOCK, 0)", '            lock = take_lock(folder / f"{time.time_ns()}.lock", 0)'),
    ("state", "            finally:\n                state.save()", "            finally:\n                pass"),
    ("state", "(self._place is None or _place(self._folder) != self._place)", "False"),
    # The trash, and the clock.
    ("state", "if seen is None or now < seen or now - seen > JUMP:", "if seen is not None and (now < seen or now - seen > JUMP):"),
    ("state", "if seen is None or now < seen or now - seen > JUMP:", "if seen is None or now - seen > JUMP:"),
    ("state", "if seen is None or now < seen or now - seen > JUMP:", "if seen is None or now < seen:"),
    ("state", "latest = max(now, seen or now)", "latest = now"),
    ("state", "is_steady=doubted is None or now - doubted > DOUBT", "is_steady=True"),
    ("state", "is_steady=doubted is None or now - doubted > DOUBT", "is_steady=doubted is None"),
    ("trash", "if began is None or run == self._run:", "if began is None:"),
    ("trash", "if began is None or run == self._run:", "if began is None:\n                shutil.rmtree(run)\n            if began is None or run == self._run:"),
    ("trash", "if age > timedelta(days) and self._clock.is_steady:", "if age > timedelta(days):"),
    ("trash", "if age > timedelta(days) and self._clock.is_steady:", "if False:"),
    ("trash", "if spare < 0 and age > YOUNG:", "if spare < 0:"),
    ("trash", "if spare < 0 and age > YOUNG:", "if age > YOUNG:"),
    ("trash", "if length <= spare:", "if False:"),
    ("trash", "in sorted(chosen):", "in sorted(chosen, reverse=True):"),
    ("trash", " for _, length, _ in files) - size)", " for _, length, _ in files))"),
    ("trash", 'in sorted(self._folder.glob("*")):', 'in sorted(self._folder.glob("*"), reverse=True):'),
    ("trash", "while (self._folder / began.strftime(NAME)).exists():", "while False:"),
    ("trash", "        if chosen:\n", "        if False:\n"),
    ("trash", "began = clock.now", "began = datetime.now()"),
)  # fmt: skip


def has_failed(number: int | None) -> bool:
    """Whether the tests fail on this mutant; ``None`` is the package as it is."""
    module, before, after = MUTANTS[number] if number is not None else ("", "", "unbroken")
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = Path(name)
        for folder in ("ggg_cloud_addon", "tests"):
            shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if number is not None:
            path = copy / SYNC / f"{module}.py"
            path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
        tests = [f"tests/{each}" for each in sorted(TESTS, key=lambda each: each != FIRST.get(module))]
        pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--basetemp={copy}/tmp"]
        # In continuous integration (CI) hypothesis sets no deadlines.
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
        try:
            done = subprocess.run(
                [*pytest, *OPTIONS, *tests],
                cwd=copy,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            print(f"{number:3} caught  {module}: {after!r} never ends", flush=True)
            return True
        if done.returncode not in (0, 1):
            raise SystemExit(f"Mutant {number} could not be tested:\n{done.stdout}{done.stderr}")
        found = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        if number is None:
            print(found or "The tests pass on the package as it is.", flush=True)
        else:
            how = "caught " if done.returncode else "ALIVE  "
            print(f"{number:3} {how} {module}: {after!r} {found[:100]}", flush=True)
        return done.returncode == 1


def main() -> None:
    """Try all, or those whose numbers are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=range(len(MUTANTS)))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with ThreadPoolExecutor(args.jobs) as pool:
        if has_failed(None):
            raise SystemExit("The tests fail on the package as it is, so they tell nothing of mutants.")
        results = list(pool.map(has_failed, args.numbers))
    print(f"{sum(results)} of {len(results)} mutants caught")
    if sum(results) < PROMISED * len(results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
