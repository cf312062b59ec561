"""The plain-folder store: the conformance suite, and what only a folder promises."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from conformance import ProviderConformance

from ggg_cloud_addon.cloud_storage.providers.base import Provider
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider


class TestConformance(ProviderConformance):
    @pytest.fixture
    def provider(self, store: FolderProvider) -> Provider:
        return store

    def fill(self, provider: Provider, names: Iterable[str]) -> None:
        assert isinstance(provider, FolderProvider)
        drop_in(provider.root, names)


def drop_in(root: Path, names: Iterable[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
