"""Errors are sentences for people and the built-ins for programs."""

import inspect

import pytest

from ggg_cloud_addon.cloud_storage import errors
from ggg_cloud_addon.cloud_storage.errors import StorageError

BUILT_IN = {
    "ConfigError": ValueError,
    "SdkError": ValueError,
    "InvalidIdError": ValueError,
    "ObjectNotFoundError": FileNotFoundError,
    "BucketNotFoundError": FileNotFoundError,
    "AccessDeniedError": PermissionError,
    "PreconditionFailedError": FileExistsError,
    "IntegrityError": OSError,
    "StoreUnavailableError": ConnectionError,
    "StoreFullError": OSError,
    "UnsupportedError": NotImplementedError,
    "ArchivedError": OSError,
    "LocalFileError": OSError,
    "SourceChangedError": OSError,
    "MassDeleteError": Exception,
    "CancelledError": Exception,
}
TYPES = {name: each for name, each in inspect.getmembers(errors, inspect.isclass) if each is not StorageError}


def test_every_error_is_known_here() -> None:
    assert TYPES.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_error_is_a_storage_error_and_a_built_in(name: str) -> None:
    error = TYPES[name]('"arm.blend" is not there; look again.')
    assert isinstance(error, StorageError)
    assert isinstance(error, BUILT_IN[name])


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_text_is_the_sentence(name: str) -> None:
    assert str(TYPES[name]('"arm.blend" is not there; look again.')) == '"arm.blend" is not there; look again.'
