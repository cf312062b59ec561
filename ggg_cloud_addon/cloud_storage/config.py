"""Which storage to use, and how."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import platformdirs

from .errors import ConfigError, InvalidIdError
from .names import check_component_id
from .redaction import redact

PROVIDERS = ("aws", "azure", "mock")

APP = "ggg_cloud"
"""The name of this program's folders among the user's."""


@dataclass(frozen=True, kw_only=True)
class CloudStorageConfig:
    """Where components are stored. Holds no secret: those stay in the credentials file or the environment.

    Raises:
        ConfigError: a value that cannot be used, with the values that can.
    """

    provider: str = "mock"
    """``"aws"``, ``"azure"`` or ``"mock"``, the plain folder."""
    root: str | Path | None = None
    """The plain-folder store's folder; ``None`` is one of the user's own data folders."""
    bucket_name: str = ""
    """S3 bucket or Azure container; below ``root`` a folder of its own."""
    prefix: str = ""
    """All keys begin with it and a ``/``."""
    credentials_file: str | Path | None = None
    region: str | None = None
    endpoint_url: str | None = None
    """Of an S3-compatible server or an emulator."""
    profile: str | None = None
    """A profile of the AWS configuration."""
    encryption: bool = True
    """Ask the cloud to encrypt at rest; the plain folder leaves that to its disk."""
    kms_key_id: str | None = None
    public_access: bool = False
    storage_tier: str | None = None
    max_concurrency: int = 8
    """Large files at a time. Small ones, which wait for answers rather than for the line: up to its square."""
    bandwidth_limit: int | None = None
    """Bytes per second over all transfers with a cloud, up and down together; ``None`` is no limit."""
    ca_bundle: str | Path | None = None
    """A PEM file with the certificates to trust instead of the system's."""

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        if self.provider not in PROVIDERS:
            raise ConfigError(f'The provider "{self.provider}" is unknown; use "aws", "azure" or "mock".')
        for name, value in (("prefix", self.prefix), ("bucket_name", self.bucket_name)):
            if value:
                try:
                    check_component_id(value.rstrip("/"))
                except InvalidIdError as error:
                    said = str(error).replace("The component ID", f"The setting {name}")
                    raise ConfigError(said) from None
        if "/" in self.bucket_name:
            raise ConfigError(f'The bucket name "{self.bucket_name}" has a "/"; put folders into the prefix.')
        if "\0" in str(self.root):
            raise ConfigError("The setting root has a NUL character; write the folder's path again.")
        if self.endpoint_url is not None:
            _check_endpoint(self.endpoint_url)
        if self.ca_bundle is not None and not Path(self.ca_bundle).expanduser().is_file():
            raise ConfigError(f'The ca_bundle "{self.ca_bundle}" is no file; name a PEM file with certificates.')
        if self.max_concurrency < 1:
            raise ConfigError("max_concurrency has to be 1 or more.")
        if self.bandwidth_limit is not None and self.bandwidth_limit < 1:
            raise ConfigError("bandwidth_limit has to be 1 byte per second or more, or left out for no limit.")

    @property
    def folder(self) -> Path:
        """The plain-folder store's own folder: ``root``, and in it the bucket's if there is one."""
        root = _expanded(self.root) if self.root else _default_root()
        return root.absolute() / self.bucket_name

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a JSON file whose keys are the fields above.

        Raises:
            ConfigError: it is not there, is not JSON, or has keys or values that are not known.
        """
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f'The config file "{path}" cannot be read: {why}.') from error
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f'The config file "{path}" is not JSON: {error.msg} in line {error.lineno}.') from error
        if not isinstance(values, dict):
            raise ConfigError(f'The config file "{path}" has to be a JSON object, such as {{"provider": "mock"}}.')
        return cls.from_dict(values, f'The config file "{path}"')

    @classmethod
    def from_dict(cls, values: dict[str, Any], name: str = "The configuration") -> Self:
        """Build it from plain values; ``name`` says in an error whose values they are.

        Raises:
            ConfigError: keys or values that are not known.
        """
        known = {field.name: field for field in fields(cls)}
        for key, value in values.items():
            if key not in known:
                raise ConfigError(f'{name} has the unknown key "{key}"; known are {", ".join(known)}.')
            allowed = known[key].type
            if not isinstance(value, _plain_types(allowed)) or (isinstance(value, bool) and allowed is not bool):
                raise ConfigError(f'{name} has a wrong value for "{key}": {value!r}.')
        return cls(**values)


def _check_endpoint(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f'The endpoint "{redact(url)}" is no address; write it like https://s3.example.com.')
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigError("The endpoint must not hold a user, a password or a signature; put keys where keys belong.")


def _plain_types(annotation: Any) -> tuple[type, ...]:
    return getattr(annotation, "__args__", (annotation,))


def _expanded(root: str | Path) -> Path:
    try:
        return Path(root).expanduser()
    except RuntimeError as error:  # "~nobody"
        raise ConfigError(f'The folder "{root}" begins with an unknown user; write the whole path.') from error


def _default_root() -> Path:
    return Path(platformdirs.user_data_dir(APP, appauthor=False)) / "store"
