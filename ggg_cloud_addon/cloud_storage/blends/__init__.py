"""Files of models without Blender: who wrote a ``.blend``, what it looks like, and what a file needs beside itself."""

from .beside import lacking, pull_beside, push_beside
from .dependency import Dependency
from .describe import describe
from .needs import needs
from .reader import BlendError, is_blend
from .tracing import Trace, can_need, trace

__all__ = [
    "BlendError",
    "Dependency",
    "Trace",
    "can_need",
    "describe",
    "is_blend",
    "lacking",
    "needs",
    "pull_beside",
    "push_beside",
    "trace",
]
