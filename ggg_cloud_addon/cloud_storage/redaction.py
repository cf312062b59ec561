"""No secret in an error, a ``repr`` or the log: they are taken out of every text that leaves the engine."""

import json
import re
import threading
from urllib.parse import quote

HIDDEN = "***"
SHORTEST = 8
"""Shorter values are no secrets of a cloud, and taking them out would spoil ordinary words."""
# Signatures and keys where they stand in a URL, a header, a connection string, JSON or a Python repr.
PATTERN = re.compile(
    r"""(?ix) (
        \b (?: sig | signature | X-Amz-Signature | X-Amz-Security-Token | X-Amz-Credential | AWSAccessKeyId
             | AccountKey | SharedAccessSignature ) =
      | ["']? \b (?: aws_secret_access_key | aws_session_token | account_key | x-amz-security-token )
        ["']? \s* [:=] \s* ["']?
      | \b SharedKey \s+ [^:\s]+ :
      | :// [^/\s:@]+ : (?= [^/\s@]+ @ )
    ) [^\s&;,"'@<>]+"""
)

_secrets: set[str] = set()
_lock = threading.Lock()


def keep_secret(*values: str | None) -> None:
    """From now on :func:`redact` takes these values out of texts, also as they are written in URLs and JSON."""
    with _lock:
        for value in values:
            if value and len(value) >= SHORTEST:
                _secrets.update((value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1]))


def redact(text: str) -> str:
    """The text without known secrets and without what looks like one."""
    with _lock:
        known = sorted(_secrets, key=len, reverse=True)
    for secret in known:
        text = text.replace(secret, HIDDEN)
    return PATTERN.sub(rf"\1{HIDDEN}", text)
