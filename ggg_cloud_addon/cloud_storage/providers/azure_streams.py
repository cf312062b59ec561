"""Bodies past the Azure SDK, which by itself hands over and takes in each one whole.

Its hooks for requests and answers (documented as ``raw_request_hook`` and ``raw_response_hook``) let us at them.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any

from .azure_errors import refuse_strangers
from .streams import Body

PIECE = 1 << 16
"""Bytes sent at a time."""
READ = 1 << 18
"""Bytes taken from a connection at a time at most: what came before it breaks is kept."""


def on_answer(hook: Callable[[Any], None]) -> dict[str, Any]:
    """Options for a call of the SDK, of whose answer the hook hears.

    The SDK's own ``raw_response_hook`` is forgotten when a first try finds no answer, and a second one does.
    """

    def hear(request: Any) -> None:
        request.context["response_callback"] = hook

    return {"raw_request_hook": hear}


class Sent:
    """The body of a request, given to the connection piece by piece, again from the first one for a retry."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        self._body.seek(0)
        while piece := self._body.read(PIECE):
            yield piece

    @property
    def options(self) -> dict[str, Any]:
        """For the SDK's call that gets the same bytes."""
        return {"raw_request_hook": self._replace} if len(self) else {}

    def _replace(self, request: Any) -> None:
        request.http_request.data = self


class Taken:
    """The body of an answer, taken from the SDK; it finds an empty one in its place."""

    def __init__(self) -> None:
        self._raw: Any = None
        """urllib3's response."""

    @property
    def options(self) -> dict[str, Any]:
        """For the SDK's call that downloads."""
        return on_answer(self._take)

    def read_some(self, size: int) -> bytes:
        """The next bytes, as they are stored: also a body with a Content-Encoding; none at the end."""
        content: bytes = self._raw.read(size, decode_content=False)
        return content

    def close(self) -> None:
        """Close the connection unless all was read."""
        self._raw.close()

    def _take(self, response: Any) -> None:
        refuse_strangers(response)
        if response.http_response.status_code in (200, 206):
            inner = response.http_response.internal_response  # of requests
            self._raw, inner.raw = inner.raw, io.BytesIO()
