"""A shared list of findings: many agents append at once, and nothing is lost."""

import asyncio

from memx_sdk import AsyncMemX


async def main() -> None:
    async with AsyncMemX() as memx:
        await memx.delete("findings")
        writes = (
            memx.append("findings", [{"by": f"agent-{n % 4}", "text": f"finding {n}"}], limit=200) for n in range(40)
        )
        await asyncio.gather(*writes)
        entry = await memx.get("findings")
        print(f"{len(entry.value) if entry else 0} findings")


asyncio.run(main())
