"""What the tests of sync share, and how long the model tests run."""

from pathlib import Path

import pytest
from hypothesis import settings
from users import User, Watched

from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync import apply

settings.register_profile("on a busy machine", settings(), deadline=None)
settings.load_profile("on a busy machine")


@pytest.fixture(autouse=True)
def _no_waiting_for_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program saves anything here but where a test says so."""
    monkeypatch.setattr(apply, "SAVE_SECONDS", 0)


@pytest.fixture
def ann(tmp_path: Path, store: FolderProvider) -> User:
    return User(tmp_path / "ann", Watched(store))


@pytest.fixture
def bob(tmp_path: Path, store: FolderProvider) -> User:
    return User(tmp_path / "bob", Watched(store))


@pytest.fixture
def arm(ann: User, bob: User) -> bytes:
    """Both have ``arm.blend`` and ``leg.blend``, in sync."""
    ann.save(arm=b"the arm", leg=b"the leg")
    ann.sync()
    bob.sync()
    return b"the arm"


@pytest.fixture
def quarrel(ann: User, bob: User, arm: bytes) -> None:
    """Both changed the arm; ann's is in the store."""
    ann.save(arm=b"by ann")
    ann.sync()
    bob.save(arm=b"by bob")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--histories", type=int, help="so many random histories of the sync's model test (the long run)")
    parser.addoption("--planner-cases", type=int, help="so many random cases of the planner's model test")


@pytest.fixture
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--histories", None) or request.config.getoption("--planner-cases", None))


@pytest.fixture
def histories(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--histories", None) or 200


@pytest.fixture
def first_seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--hypothesis-seed", None) or 1)
