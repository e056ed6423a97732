"""Names in keys, with slashes between them. sdk/typescript/adapters/segments.ts does the same."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote


def encode_segment(segment: str) -> str:
    """Encodes what must not be in a segment: slashes, control characters, and `%` itself."""
    return re.sub("[%/\x00-\x1f\x7f-\x9f]", lambda found: quote(found[0], safe=""), segment)


def decode_segments(text: str) -> tuple[str, ...] | None:
    """Returns None for a text that `encode_segment` does not produce: another program wrote it."""
    try:
        segments = tuple(unquote(each, errors="strict") for each in text.split("/"))
    except UnicodeDecodeError:
        return None
    return segments if "/".join(map(encode_segment, segments)) == text else None
