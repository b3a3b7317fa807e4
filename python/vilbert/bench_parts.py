"""Where the time of a training step on the kernels goes, and how near it comes to what the machine can multiply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import paddle

from vilbert import kernels

PARTS = {
    "matmul": "matrix products",
    "attention": "attention",
    "attention_gradient": "attention",
    "add_norm": "dropout, residual, layer norm",
    "add_norm_gradient": "dropout, residual, layer norm",
    "dropout": "dropout, residual, layer norm",
    "gelu": "gelu",
    "gelu_gradient": "gelu",
    "convert": "conversions and sums",
    "column_sums": "conversions and sums",
    "adam_step": "AdamW",
    "adam_step_of_rows": "AdamW",
}
REST = "everything else"
RATE_SHAPE = (2048, 1024, 4096)  # rows, inner, columns of the product that the machine's rate is taken from
RATE_TRIES = 20


def step_parts(events: Iterator[dict[str, Any]], precision: str) -> dict[str, Any]:
    """Times the parts of the steps that the next event tells of; milliseconds are those of one step."""
    started = time.perf_counter()
    with kernels.timed() as calls:
        steps = len(next(events)["steps"])
    seconds = time.perf_counter() - started
    parts = dict.fromkeys([*PARTS.values(), REST], 0.0)
    for name, call in calls.items():
        parts[PARTS[name]] += call.seconds
    parts[REST] = seconds - sum(parts.values())
    operations = calls["matmul"].operations
    return {
        "side": precision,
        "msPerStep": 1000 * seconds / steps,
        "parts": [{"name": name, "ms": 1000 * part / steps} for name, part in parts.items()],
        "machineGflops": matrix_rate(precision),
        "productGflops": operations / calls["matmul"].seconds / 1e9,
        "stepGflops": operations / seconds / 1e9,
    }


def matrix_rate(precision: str) -> float:
    """The best rate of one large product, in 10⁹ operations a second; what a step could reach at most."""
    dtype = "bfloat16" if precision == "bf16" else "float32"
    rows, inner, columns = RATE_SHAPE
    left, right = paddle.ones([rows, inner], dtype), paddle.ones([inner, columns], dtype)
    out = paddle.empty([rows, columns], dtype)
    best = 0.0
    for _ in range(RATE_TRIES):
        with kernels.timed() as calls:
            kernels.matmul(left, right, out)
        best = max(best, calls["matmul"].operations / calls["matmul"].seconds / 1e9)
    return best
