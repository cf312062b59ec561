"""The store that the model test of the sync uses is a store like the others."""

from collections.abc import Iterable

import pytest
from conformance import ProviderConformance
from memory_store import KINDS, MemoryProvider

from ggg_cloud_addon.cloud_storage.providers.base import Provider


@pytest.mark.parametrize("provider", ["S3", "Azure without versions", "like a file system"], indirect=True)
class TestConformance(ProviderConformance):
    rounds = 8

    @pytest.fixture
    def provider(self, request: pytest.FixtureRequest) -> Provider:
        return MemoryProvider(KINDS[request.param])

    def fill(self, provider: Provider, names: Iterable[str]) -> None:
        assert isinstance(provider, MemoryProvider)
        for name in names:
            provider.lay(name, b"x")
