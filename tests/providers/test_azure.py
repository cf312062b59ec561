"""Azure Blob Storage: the conformance suite on Azurite, and what only Azure promises."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conformance import ProviderConformance
from servers import AzureServer

from ggg_cloud_addon.cloud_storage import CloudStorageConfig
from ggg_cloud_addon.cloud_storage.providers import azure
from ggg_cloud_addon.cloud_storage.providers.azure import AzureProvider
from ggg_cloud_addon.cloud_storage.providers.azure_container import AzureContainer
from ggg_cloud_addon.cloud_storage.providers.base import Provider

Configure = Callable[..., CloudStorageConfig]


@pytest.fixture
def configure(tmp_path: Path, azurite: AzureServer, bucket_name: str) -> Configure:
    """The settings for a container on Azurite, with a credentials file of account name and key."""

    def configure(**settings: object) -> CloudStorageConfig:
        file = tmp_path / "azure.json"
        file.write_text(json.dumps({"account_name": azurite.account_name, "account_key": azurite.account_key}))
        file.chmod(0o600)
        given = {"bucket_name": bucket_name, "endpoint_url": azurite.account_url, "credentials_file": file}
        return CloudStorageConfig(provider="azure", **(given | settings))

    return configure


@pytest.fixture
def provider(configure: Configure) -> AzureProvider:
    """A provider on a container of its own."""
    AzureContainer(configure()).create()
    return AzureProvider(configure())


class TestConformance(ProviderConformance):
    rounds = 40

    @pytest.fixture
    def provider(self, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Provider:
        monkeypatch.setattr(azure, "PAGE", 1000)
        AzureContainer(configure()).create()
        return AzureProvider(configure())
