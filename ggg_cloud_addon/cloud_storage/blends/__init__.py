"""``.blend`` files without Blender: who wrote them, what they look like, and what they need beside themselves."""

from .beside import lacking, pull_beside, push_beside
from .describe import describe
from .needs import needs
from .reader import BlendError, is_blend
from .tracing import Dependency, Trace, trace

__all__ = [
    "BlendError",
    "Dependency",
    "Trace",
    "describe",
    "is_blend",
    "lacking",
    "needs",
    "pull_beside",
    "push_beside",
    "trace",
]
