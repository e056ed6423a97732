"""The Python client of memX: real-time shared memory for teams of AI agents.

`MemX` is for ordinary code, `AsyncMemX` for asyncio. Both have the same calls.

Example:
    >>> from memx_sdk import MemX
    >>> with MemX("local_dev_key") as memx:
    ...     memx.set("agent:goal", {"x": 1, "y": 7})
"""

from ._async_client import AsyncMemX
from ._async_subscription import AsyncSubscription
from ._client import MemX
from ._errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidRequestError,
    InvalidSchemaError,
    LeaseLostError,
    MemxError,
    NetworkError,
    NotFoundError,
    QuotaExceededError,
    RateLimitedError,
    SchemaViolationError,
    TimeoutError,
    UnauthorizedError,
    UnavailableError,
)
from ._glob import escape_key
from ._models import (
    Batched,
    BatchOperation,
    BatchResult,
    ChangeEvent,
    Check,
    Delete,
    Deleted,
    Entries,
    Entry,
    EventFilter,
    Health,
    JsonSchema,
    KeyEntry,
    Patched,
    SchemaEvent,
    SchemaWritten,
    Set,
    Status,
    StoredSchema,
    Ttl,
    ValueEvent,
    WhoAmI,
    Written,
)
from ._subscription import OnReset, OnStatus, Subscription

__all__ = [
    "AsyncMemX",
    "AsyncSubscription",
    "BatchOperation",
    "BatchResult",
    "Batched",
    "ChangeEvent",
    "Check",
    "ConflictError",
    "Delete",
    "Deleted",
    "Entries",
    "Entry",
    "EventFilter",
    "FieldError",
    "ForbiddenError",
    "Health",
    "InvalidRequestError",
    "InvalidSchemaError",
    "JsonSchema",
    "KeyEntry",
    "LeaseLostError",
    "MemX",
    "MemxError",
    "NetworkError",
    "NotFoundError",
    "OnReset",
    "OnStatus",
    "Patched",
    "QuotaExceededError",
    "RateLimitedError",
    "SchemaEvent",
    "SchemaViolationError",
    "SchemaWritten",
    "Set",
    "Status",
    "StoredSchema",
    "Subscription",
    "TimeoutError",
    "Ttl",
    "UnauthorizedError",
    "UnavailableError",
    "ValueEvent",
    "WhoAmI",
    "Written",
    "__version__",
    "escape_key",
]

__version__ = "0.2.0"
