"""The Python client of memX: real-time shared memory for teams of AI agents.

`MemX` is for ordinary code, `AsyncMemX` for asyncio. Both have the same calls.

Example:
    >>> from memx_sdk import MemX
    >>> with MemX("local_dev_key") as memx:
    ...     memx.set("agent:goal", {"x": 1, "y": 7})
"""

from ._async_client import AsyncMemX
from ._async_lease import AsyncLease, AsyncLeaseContext
from ._async_mirror import AsyncMirror
from ._async_subscription import AsyncSubscription
from ._async_typed_key import AsyncTypedKey
from ._client import MemX
from ._context import memxContext
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
    SchemaChangedError,
    SchemaViolationError,
    TimeoutError,
    UnauthorizedError,
    UnavailableError,
)
from ._glob import escape_key
from ._lease import Lease
from ._mirror import Mirror, MirrorListener
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
    Scopes,
    Set,
    Status,
    StoredSchema,
    Ttl,
    ValueEvent,
    WhoAmI,
    Written,
)
from ._options import MaxAge, ReadMode
from ._subscription import OnReset, OnStatus, Subscription
from ._typed import OnSchemaChange
from ._typed_key import TypedKey

__all__ = [
    "AsyncLease",
    "AsyncLeaseContext",
    "AsyncMemX",
    "AsyncMirror",
    "AsyncSubscription",
    "AsyncTypedKey",
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
    "Lease",
    "LeaseLostError",
    "MaxAge",
    "MemX",
    "MemxError",
    "Mirror",
    "MirrorListener",
    "NetworkError",
    "NotFoundError",
    "OnReset",
    "OnSchemaChange",
    "OnStatus",
    "Patched",
    "QuotaExceededError",
    "RateLimitedError",
    "ReadMode",
    "SchemaChangedError",
    "SchemaEvent",
    "SchemaViolationError",
    "SchemaWritten",
    "Scopes",
    "Set",
    "Status",
    "StoredSchema",
    "Subscription",
    "TimeoutError",
    "Ttl",
    "TypedKey",
    "UnauthorizedError",
    "UnavailableError",
    "ValueEvent",
    "WhoAmI",
    "Written",
    "__version__",
    "escape_key",
    "memxContext",
]

__version__ = "0.2.0"
