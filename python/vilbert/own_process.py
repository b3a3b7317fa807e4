"""A Python process of its own for a piece of work, which ends with the block that started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def own_process(module: str, job: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Runs a module of this folder as a program that reads `job` as JSON; its standard output is piped."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdin is not None, "it is piped"
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None, "it is piped"
        process.stdout.close()
