"""The stores, behind one interface (:mod:`.base`)."""

from ..config import CloudStorageConfig
from ..errors import ConfigError
from .base import Provider
from .folder import FolderProvider


def open_provider(config: CloudStorageConfig) -> Provider:
    """The provider that the configuration names; nothing is asked of the store yet.

    Raises:
        ConfigError: this release has no such provider.
    """
    if config.provider == "mock":
        return FolderProvider(config.folder)
    raise ConfigError(
        f'The provider "{config.provider}" is not in this release yet; use "mock", the plain-folder store.'
    )
