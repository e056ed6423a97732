"""Prints [pattern, key, matches] triples from Python's own fnmatch. Half of them match, and most use tokens that glob
libraries read differently. The output is the same on every run and every Python since 3.9:

    python3 scripts/make-fnmatch-fixture.py > test/access/fnmatch.fixture.json
"""

import json
import random
import sys
import warnings
from fnmatch import fnmatchcase

COUNT = 5_000
PLAIN = "aabbcz09AZ:_"
NASTY = "!]-\\{},@(+)|^$./[&~#\"'\n\t \u00e9\uffff\U0001f600\U0001f601"
ENDS = "!-]^[a\\c\n/\U0001f600z"
WORDS = [
    "./", "../", "/", "@(a|b)", "+(a)", "!(a)", "{a,b}", "(a|b)", "**/", "\\d", "\\*",
    "[", "]", "[]", "[!]", "[^a]", "[[:alpha:]]", "[]-a]", "[!]-a]",
    "[*]", "[?]", "[\\]", "[a||b]", "[a&&b]", "[!!]", "[!^]",
    "[z-a]", "[!z-a]", "[z-a!]", "[z-a!b]", "[z-a!-c]", "[z-a!-!]", "[z-a^b]",
    "[--0]", "[a--]", "[+--]", "[!-a]", "[a-c-e]", "[a-]", "[-]", "[!-]",
]

# Python warns about sets such as [[a] and [a||b], but reads them as it always has.
warnings.simplefilter("ignore")


def character(rng):
    return rng.choice(PLAIN if rng.random() < 0.55 else NASTY)


def bracket(rng):
    members = ""
    for _ in range(rng.randint(0, 3)):
        kind = rng.random()
        if kind < 0.45:
            members += rng.choice(ENDS) + "-" + rng.choice(ENDS)
        else:
            members += character(rng)
    return "[" + rng.choice(["", "", "!", "^", "]", "!]"]) + members + rng.choice(["]", "]", "]", "]", ""])


def make_pattern(rng):
    pattern = ""
    for _ in range(rng.randint(0, 6)):
        kind = rng.random()
        if kind < 0.20:
            pattern += rng.choice(["*", "*", "*", "**"])
        elif kind < 0.30:
            pattern += "?"
        elif kind < 0.50:
            pattern += bracket(rng)
        elif kind < 0.60:
            pattern += rng.choice(WORDS)
        else:
            pattern += character(rng)
    return pattern


def make_key(rng, pattern):
    """Returns a key that probably matches: fills in the wildcards, and sometimes changes one character."""
    key, i = "", 0
    while i < len(pattern):
        close = pattern.find("]", i + 2) if pattern[i] == "[" else -1
        if pattern[i] == "*":
            key += "".join(character(rng) for _ in range(rng.randint(0, 3)))
        elif pattern[i] == "?":
            key += character(rng)
        elif close > 0 and rng.random() < 0.9:
            key += rng.choice([rng.choice(pattern[i + 1 : close]), character(rng), rng.choice(ENDS)])
            i = close
        else:
            key += pattern[i]
        i += 1
    change = rng.random()
    at = rng.randint(0, len(key))
    if change < 0.10:
        key = key[:at] + key[at + 1 :]
    elif change < 0.20:
        key = key[:at] + character(rng) + key[at:]
    elif change < 0.25:
        key = pattern
    return key


def triples(rng, count):
    seen, wanted = set(), {True: count // 2, False: count - count // 2}
    while any(wanted.values()):
        pattern = make_pattern(rng)
        key = make_key(rng, pattern)
        matches = fnmatchcase(key, pattern)
        if wanted[matches] > 0 and (pattern, key) not in seen:
            wanted[matches] -= 1
            seen.add((pattern, key))
            yield [pattern, key, matches]


if __name__ == "__main__":
    lines = [json.dumps(triple, ensure_ascii=False) for triple in triples(random.Random(1), COUNT)]
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    print("[\n  " + ",\n  ".join(lines) + "\n]")
