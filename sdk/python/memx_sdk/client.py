"""The module in which the original package has `memxContext`."""

from ._context import memxContext

__all__ = ["memxContext"]
