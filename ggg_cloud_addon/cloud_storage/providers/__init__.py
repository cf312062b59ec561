"""The stores, behind one interface (:mod:`.base`)."""

from ..config import CloudStorageConfig
from ..errors import SdkError, UnsupportedError
from .base import Bucket, Provider
from .folder import FolderProvider


def open_provider(config: CloudStorageConfig) -> Provider:
    """The provider that the configuration names; nothing is asked of the store yet.

    Raises:
        ConfigError: a setting that it needs is missing.
        SdkError: its SDK is not installed.
    """
    # Late: an SDK takes a third of a second to import.
    try:
        if config.provider == "aws":
            from .aws import AwsProvider

            return AwsProvider(config)
        if config.provider == "azure":
            from .azure import AzureProvider

            return AzureProvider(config)
    except ImportError as error:
        raise _not_installed(config.provider) from error
    return FolderProvider(config.folder)


def open_bucket(config: CloudStorageConfig) -> Bucket:
    """The bucket or container itself, to create, look at and delete.

    Raises:
        ConfigError, SdkError: as :func:`open_provider`.
        UnsupportedError: a plain folder has none.
    """
    try:
        if config.provider == "aws":
            from .aws_bucket import AwsBucket

            return AwsBucket(config)
        if config.provider == "azure":
            from .azure_container import AzureContainer

            return AzureContainer(config)
    except ImportError as error:
        raise _not_installed(config.provider) from error
    raise UnsupportedError("A plain folder needs no bucket; it is made by the first push.")


def _not_installed(provider: str) -> SdkError:
    return SdkError(f'The provider "{provider}" needs its SDK; install it with: pip install "ggg-cloud[{provider}]".')
