"""Few patterns for many subscriptions."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from memx_sdk import escape_key
from memx_sdk._glob import MAX_PATTERN_LENGTH, MAX_PATTERNS, MAX_URL_LENGTH, compile_glob, merge_patterns

KEYS = st.lists(st.text(st.sampled_from("ab:🎈*?[é"), min_size=1, max_size=600), max_size=90)


@given(KEYS)
def test_the_merged_patterns_match_everything_and_fit_a_url(keys: list[str]) -> None:
    merged = merge_patterns(escape_key(key) for key in keys)
    assert merged == merge_patterns(escape_key(key) for key in reversed(keys))
    assert len(merged) <= MAX_PATTERNS
    assert all(len(pattern.encode("utf-16-le")) // 2 <= MAX_PATTERN_LENGTH for pattern in merged)
    assert sum(len(f"&pattern={quote(pattern, safe='')}") for pattern in merged) <= MAX_URL_LENGTH
    tests = [compile_glob(pattern) for pattern in merged]
    assert all(any(test(key) for test in tests) for key in keys)


def test_keeps_few_patterns_as_they_are() -> None:
    assert merge_patterns(["b", "a*", "b"]) == ["a*", "b"]
    many = [f"task:{number}" for number in range(100)]
    assert merge_patterns([*many, "goal"]) == ["goal", "task:*"] or "goal" in merge_patterns([*many, "goal"])
