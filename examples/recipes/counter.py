"""A counter: exact, also in decimals, and for many agents at once."""

from decimal import Decimal

from memx_sdk import MemX

with MemX(parse_float=Decimal) as memx:
    memx.delete("stats")
    memx.increment("stats", path="/searches")
    memx.increment("stats", Decimal("0.1"), path="/cost")
    stats = memx.increment("stats", Decimal("0.2"), path="/cost").value
    print(f"{stats['searches']} search for {stats['cost']}")  # 0.3, and not 0.30000000000000004.
