"""What programs do with `memxContext`. Runs under the published package and under ours, and prints what it sees.

Arguments: the URL of memX, and the start of the keys.
"""

import json
import queue
import sys
import time

import httpx

from memx_sdk import memxContext

url, prefix = sys.argv[1:]
memx = memxContext(api_key="local_dev_key", base_url=url)
seen = []


def plain(result):
    """Without what differs from run to run."""
    if isinstance(result, dict):
        return {
            name: plain(value)
            for name, value in result.items()
            if name not in ("ts", "revision", "previous", "created")
        }
    return result


def failing(call):
    try:
        call()
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, plain(error.response.json())["code"], error.request.url.path]
    except ValueError as error:
        return "ValueError"
    return "no error"


schema = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
key = prefix + "goal"
seen.append(plain(memx.get(key)))
seen.append(plain(memx.set_schema(key, schema)))
seen.append({"schema": memx.get_schema(key)["schema"]})
seen.append(plain(memx.set(key, {"x": 1, 2: (3, None)})))
seen.append(plain(memx.get(key)))
seen.append(failing(lambda: memx.set(key, {"y": 1})))
seen.append(failing(lambda: memx.get_schema(prefix + "none")))
seen.append(failing(lambda: memx.set(key, {"x": float("nan")})))
seen.append(failing(lambda: memxContext("unknown", base_url=url).get(key)))
seen.append([memx.api_key, memx.base_url == url])

events = queue.Queue()
memx.subscribe(prefix + "live", events.put)
# The original does not say when it is connected.
while events.empty():
    memx.set(prefix + "live", "begin")
    time.sleep(0.1)
memx.set(prefix + "live", {"n": 9007199254740993})
while True:
    event = events.get(timeout=30)
    if event.get("value") != "begin":
        break
seen.append([sorted(event), plain(event)])
seen.append(plain(memx.delete_schema(key)))
seen.append(failing(lambda: memx.delete_schema(key)))
print(json.dumps(seen))
