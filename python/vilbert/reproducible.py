"""What `--deterministic` promises, and what it takes."""

from __future__ import annotations

import os

import paddle

from vilbert.errors import ConfigError


def compute_threads() -> int:
    """Threads that Paddle computes with in this process: how sums are cut into parts depends on them."""
    return int(os.environ.get("OMP_NUM_THREADS") or 1)


def make_deterministic(saved_threads: int | None) -> None:
    """The same run gives the same weights to the bit, whatever else the machine does.

    On a CPU that takes the same number of threads (the machine's load does not matter): a run is not resumed with
    another one. On a GPU cuDNN and the embedding's gradient keep to algorithms that add up in a fixed order.
    """
    threads = compute_threads()
    if saved_threads is not None and saved_threads != threads:
        raise ConfigError(
            f"The run is deterministic and was computed with {saved_threads} threads, here it would be {threads}.",
            f"Set OMP_NUM_THREADS={saved_threads}, or go on with --no-deterministic.",
        )
    if paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})
