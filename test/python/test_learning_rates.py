"""What a range test suggests, on made losses."""

from __future__ import annotations

import numpy as np
import pytest
from vilbert.learning_rates import RisingRates, suggestion


def points(losses: np.ndarray, rates: np.ndarray) -> list[dict[str, float]]:
    return [
        {"lr": float(rate), "loss": float(loss), "smoothedLoss": float(loss)}
        for loss, rate in zip(losses, rates)
    ]


def test_suggests_the_rate_of_the_steepest_fall() -> None:
    rates = np.geomspace(1e-7, 1, 71)  # ten a decade
    falls = 10 - 6 / (1 + np.exp(-4 * (np.log10(rates) + 4)))  # steepest at 1e-4
    rises = np.where(rates > 1e-1, 100 * rates, 0)
    found = suggestion(points(falls + rises, rates))
    assert found["suggested"] == found["steepest"] == pytest.approx(1e-4, rel=0.01)
    assert found["lowest"] == pytest.approx(1e-1, rel=0.01)


def test_stays_a_tenth_below_the_lowest_loss() -> None:
    rates = np.geomspace(1e-7, 1, 71)
    cliff = np.where(rates < 9e-4, 10, np.where(rates < 1.3e-3, 3, 20))
    found = suggestion(points(cliff, rates))
    assert found["lowest"] == pytest.approx(1e-3, rel=0.3)
    assert found["suggested"] == pytest.approx(found["lowest"] / 10)


@pytest.mark.parametrize("losses", [np.linspace(10, 20, 50), np.full(50, 10.0), np.full(2, 10.0)])
def test_suggests_nothing_where_no_rate_helps(losses: np.ndarray) -> None:
    rates = np.geomspace(1e-7, 1, len(losses))
    assert suggestion(points(losses, rates))["suggested"] is None


def test_rates_rise_in_equal_ratios_whatever_the_rate_of_the_run() -> None:
    schedule = RisingRates(first=1e-6, last=1e-2, steps=5, lr=4e-5)
    rates = [4e-5 * schedule.factor(step) for step in range(1, 6)]
    assert rates == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
