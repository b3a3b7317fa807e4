"""What the seed of a run decides: which examples it has, their order in each epoch, the dropout of each step.

Each is a function of the seed and of nothing that came before, so that a resumed run needs no stored state.
"""

from __future__ import annotations

import numpy as np

from vilbert.dataset import ReferringDataset
from vilbert.training_spec import TrainingSpec


def with_fraction(examples: ReferringDataset, fraction: float, seed: int) -> ReferringDataset:
    """A share of the expressions, picked by the seed, in data order."""
    count = max(1, round(fraction * len(examples)))
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0xF2AC])))
    rows = sorted(random.permutation(len(examples))[:count].tolist())
    return examples.with_expressions([examples.expressions[row] for row in rows])


def epoch_order(count: int, spec: TrainingSpec, epoch: int) -> list[int]:
    """The order of the examples in an epoch; it depends on the seed and the epoch alone."""
    if not spec.shuffle:
        return list(range(count))
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([spec.seed, epoch])))
    return random.permutation(count).tolist()


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Seed of a step's dropout; it depends on nothing else, so a resumed run needs no stored state."""
    entropy = [seed, step, 0x0D0D, *([rank] if rank > 0 else [])]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
