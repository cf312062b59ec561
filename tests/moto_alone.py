"""moto's server, one request at a time.

By itself it looks at a condition, then writes: under load two requests can both find it true, and a reader can get the
head of one object and the body of another. In S3 each request is one step (Amazon S3 user guide, "Amazon S3 data
consistency model"), which is what the tests need.
"""

import io
import threading
from typing import Any

from moto import server
from moto.s3.models import FakeKey
from werkzeug.wsgi import get_input_stream

_lock = threading.Lock()
_call = server.DomainDispatcherApplication.__call__


def _call_alone(self: server.DomainDispatcherApplication, environ: dict[str, Any], start_response: Any) -> Any:
    content = get_input_stream(environ).read()  # a slow client keeps nobody waiting
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ |= {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
    with _lock:
        return _call(self, environ, start_response)


server.DomainDispatcherApplication.__call__ = _call_alone


class _Untracked(list[FakeKey]):
    """moto remembers all for its reset, copies in a listing of versions too: each is an open file as large as the
    object."""

    def append(self, key: FakeKey) -> None:
        """Let it go when nobody has it any more."""


FakeKey.instances_tracked = _Untracked()

if __name__ == "__main__":
    server.main()
