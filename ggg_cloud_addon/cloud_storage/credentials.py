"""Credentials files: JSON with the keys of one cloud."""

import json
import logging
import os
import stat
from pathlib import Path

from .errors import ConfigError
from .redaction import keep_secret

log = logging.getLogger(__name__)

SECRETS = ("aws_secret_access_key", "aws_session_token", "account_key", "connection_string")
AWS_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region")
AZURE_KEYS = ("connection_string", "account_name", "account_key")


def read_credentials(file: str | Path, wanted: tuple[tuple[str, ...], ...]) -> dict[str, str]:
    """The values in a credentials file; none of them is ever put into an error or the log.

    Args:
        wanted: sets of keys, of which the file has to have one, such as ``(("account_name", "account_key"),)``.

    Raises:
        ConfigError: it is not there, may not be read, is not JSON, or lacks keys.
    """
    try:
        path = Path(file).expanduser()
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f'The credentials file "{path}" cannot be read: {why}.') from error
    except RuntimeError as error:  # "~nobody"
        raise ConfigError(
            f'The credentials file "{file}" begins with an unknown user; write the whole path.'
        ) from error
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        # Not "from error": it holds the whole text, secrets and all.
        raise ConfigError(f'The credentials file "{path}" is not JSON: {error.msg} in line {error.lineno}.') from None
    except RecursionError:
        raise ConfigError(f'The credentials file "{path}" is not JSON that anybody wrote: it is too deep.') from None
    needs = " or ".join(" and ".join(f'"{key}"' for key in keys) for keys in wanted)
    if not isinstance(values, dict) or not any(all(values.get(key) for key in keys) for keys in wanted):
        raise ConfigError(f'The credentials file "{path}" has to be a JSON object with {needs}.')
    known = AWS_KEYS + AZURE_KEYS
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f'The credentials file "{path}" has the unknown key "{key}"; it needs {needs}.')
        if not isinstance(value, str):
            raise ConfigError(f'The credentials file "{path}" has a value for "{key}" that is no text in quotes.')
    keep_secret(*(values.get(key) for key in SECRETS))
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning('Others on this machine may read the credentials file "%s"; run: chmod 600 on it', path)
    return values
