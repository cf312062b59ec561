"""An Azure container itself: made, deleted, looked at."""

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerProperties

from ..config import CloudStorageConfig
from ..errors import UnsupportedError
from . import problems
from .azure_client import Account, Again
from .azure_errors import KIND
from .base import BucketFacts

ACCOUNT_KEY = "$account-encryption-key"
"""How Azure calls the account's own encryption (Microsoft Learn, "Encryption scopes for Blob storage")."""


class AzureContainer:
    """The container that the configuration names."""

    def __init__(self, config: CloudStorageConfig) -> None:
        """Nothing is asked of the store yet.

        Raises:
            ConfigError: the container has no name, or a setting is none of Azure's.
        """
        self._account = Account(config)
        self._public = config.public_access

    def create(self) -> None:
        """Make it. Versions are the account's to switch on, see :meth:`keep_versions`."""
        with self._account.translated():
            container, again = self._account.container, Again()
            if container.exists():
                raise problems.bucket_exists(self._account.container_name, KIND)
            try:
                container.create_container(public_access="blob" if self._public else None, retry_hook=again)
            except ResourceExistsError:
                if not again.happened:  # else the first request, whose answer was lost, did it
                    raise

    def delete(self) -> None:
        """Delete it if nothing is in it: Azure itself would delete it with all its blobs.

        What somebody stores between the look and the delete goes with it; the account's soft delete for containers
        brings it back.
        """
        with self._account.translated():
            container = self._account.container
            found = container.list_blobs(include=["versions", "snapshots", "uncommittedblobs"], results_per_page=1)
            if next(iter(found), None) is not None:
                raise problems.bucket_not_empty(self._account.container_name, KIND)
            container.delete_container()

    def facts(self) -> BucketFacts:
        """Its public access and encryption scope, and what its blobs say of versions."""
        with self._account.translated():
            properties = self._account.container.get_container_properties()
        return BucketFacts(
            keeps_versions=self._account.keeps_versions,
            is_public=properties.public_access is not None,
            encryption=_encryption(properties),
        )

    def keep_versions(self) -> None:
        """Versions are switched on for a whole account, by its management."""
        raise UnsupportedError(
            f"Versions are kept by the whole Azure account {self._account.name}; switch them on in the Azure portal "
            "(storage account > Data protection > Enable versioning for blobs)."
        )

    def block_public_access(self) -> None:
        """Make it private; its stored access policies stay."""
        with self._account.translated():
            container = self._account.container
            policy = container.get_container_access_policy()
            identifiers = {each.id: each.access_policy for each in policy["signed_identifiers"]}
            container.set_container_access_policy(signed_identifiers=identifiers, public_access=None)

    def names(self) -> tuple[str, ...]:
        """All containers of the account."""
        with self._account.translated():
            return tuple(each.name for each in self._account.service.list_containers())


def _encryption(properties: ContainerProperties) -> str | None:
    scope = getattr(properties.encryption_scope, "default_encryption_scope", None)
    if scope == ACCOUNT_KEY:
        return "the account's keys"
    return f'encryption scope "{scope}"' if scope else None
