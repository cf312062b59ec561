"""``.blend`` files without Blender: who wrote them, what they look like, and what they need beside themselves."""

from .describe import describe
from .needs import needs
from .reader import BlendError, is_blend
from .tracing import Dependency, Trace, trace

__all__ = ["BlendError", "Dependency", "Trace", "describe", "is_blend", "needs", "trace"]
