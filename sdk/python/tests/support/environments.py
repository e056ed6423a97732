"""Environments of other Pythons and packages, made by uv. They are kept for the next run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .server import ROOT

CACHE = ROOT / "node_modules/.cache/memx-python"

ORIGINAL = "memx-sdk==0.1.2"
"""The client of the original memX, on PyPI."""

VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


def uv(*arguments: str) -> str:
    # With the certificates of this machine, which may reach the registry through a proxy.
    command = [sys.executable, "-m", "uv", *arguments, "--quiet", "--no-python-downloads", "--system-certs"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "UV_NO_CONFIG": "1"})
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


def environment(*requirements: str, python: str = sys.executable) -> Path:
    """Returns the Python of an environment that has these packages and what they need, and nothing else."""
    name = hashlib.sha256(" ".join([python, *requirements]).encode()).hexdigest()[:16]
    folder = CACHE / name
    executable = folder / "bin/python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        uv("venv", "--python", python, str(folder))
        if requirements:
            install(executable, *requirements)
        (folder / "complete").touch()
    return executable


def fresh(folder: Path, python: str) -> Path:
    """Returns the Python of a new, empty environment."""
    uv("venv", "--python", python, str(folder))
    return folder / "bin/python"


def install(python: Path, *requirements: str) -> None:
    uv("pip", "install", "--python", str(python), *requirements)


def wheel(folder: Path) -> Path:
    """Builds the wheel of this package, without the network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT / "sdk/python",
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def pythons() -> dict[str, str]:
    """Returns the Pythons of this machine, by version."""
    found: dict[str, str] = {}
    places = [Path.home() / ".pyenv/versions", Path("/opt/hostedtoolcache/Python")]
    for version in VERSIONS:
        candidates = [path for place in places for path in sorted(place.glob(f"{version}.*/**/bin/python{version}"))]
        on_path = shutil.which(f"python{version}")
        for candidate in [*map(str, candidates), *([on_path] if on_path else [])]:
            if _version(candidate) == version:
                found[version] = candidate
                break
    return found


def _version(python: str) -> str:
    # A version manager has commands for versions that are not chosen.
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
