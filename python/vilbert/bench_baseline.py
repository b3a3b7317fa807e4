"""What the published code does, re-enacted for its cost: our own model and operators, its way of using them.

Every expression is padded to 20 tokens and every image to 100 regions, masks are added to all scores, all seven heads
are computed, an item is found by searching a list and decoded from base64, AdamW steps over all parameters, and
Paddle's flags are as they come.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from vilbert.boxes import locations, overlap
from vilbert.dataset import Expression, ReferringDataset
from vilbert.features import RegionStore
from vilbert.model import Inputs, Vilbert, padded_inputs
from vilbert.optim import BETA1, BETA2, EPSILON, is_decayed, is_head
from vilbert.session import TRANSPOSED_VIEWS

TOKENS, REGIONS = 20, 100
KEPT_IMAGES = 64  # that are held in their encoded form; a longer list of keys shares them


@contextmanager
def flags_as_they_come() -> Iterator[None]:
    """Takes back, for a while, what this project sets of Paddle and the published code leaves alone."""
    paddle.set_flags({TRANSPOSED_VIEWS: True})
    try:
        yield
    finally:
        paddle.set_flags({TRANSPOSED_VIEWS: False})


class PublishedData:
    """Items as the published reader makes them."""

    def __init__(self, dataset: ReferringDataset, store: RegionStore, image_count: int) -> None:
        self.expressions = dataset.expressions
        self._keys = [str(image_id).encode() for image_id in range(image_count)]
        self._encoded = []
        for image_id in range(min(image_count, KEPT_IMAGES)):
            image = store[image_id]
            features, boxes = (base64.b64encode(part[1:].tobytes()) for part in (image.features, image.boxes))
            self._encoded.append((features, boxes, image.width, image.height))

    def item(self, expression: Expression) -> list[np.ndarray]:
        """Tokens, features, locations, masks and targets of one expression."""
        place = self._keys.index(str(expression.image_id).encode())
        features64, boxes64, width, height = self._encoded[place % len(self._encoded)]
        boxes = np.frombuffer(base64.b64decode(boxes64), np.float32).reshape(-1, 4)
        features = np.frombuffer(base64.b64decode(features64), np.float32).reshape(len(boxes), -1)
        features = np.concatenate([features.mean(0, keepdims=True), features])
        boxes = np.concatenate([np.array([[0, 0, width, height]], np.float32), boxes])
        count, words = len(boxes), len(expression.token_ids)
        sizes = np.tile((width, height), (count, 1))
        padded = [
            np.zeros(TOKENS, np.int64),
            np.zeros((REGIONS, features.shape[1]), np.float32),
            np.zeros((REGIONS, 5), np.float32),
            np.zeros(TOKENS, np.float32),
            np.zeros(REGIONS, np.float32),
            np.zeros(REGIONS, np.float32),
        ]
        padded[0][:words] = expression.token_ids
        padded[1][:count] = features
        padded[2][:count] = locations(boxes, sizes[:, 0], sizes[:, 1])
        padded[3][:words] = 1
        padded[4][:count] = 1
        padded[5][:count] = overlap(boxes, np.asarray(expression.box))
        return padded

    def batch(self, rows: Sequence[int]) -> tuple[Inputs, Tensor]:
        """Stacked items as tensors, and the targets (B, 100)."""
        columns = zip(*(self.item(self.expressions[row]) for row in rows))
        *inputs, targets = (paddle.to_tensor(np.stack(column)) for column in columns)
        return padded_inputs(*inputs), targets


class PublishedTraining:
    """A step of the published recipe."""

    def __init__(self, model: Vilbert, data: PublishedData) -> None:
        self._model = model
        self._data = data
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, parameter in model.named_parameters():
            groups.setdefault((is_head(name), is_decayed(name, "seed")), []).append(parameter)
        self._optimizers = [
            paddle.optimizer.AdamW(
                learning_rate=1e-4 if head else 4e-5,
                beta1=BETA1,
                beta2=BETA2,
                epsilon=EPSILON,
                parameters=parameters,
                weight_decay=0.01 if decayed else 0.0,
                grad_clip=nn.ClipGradByValue(1.0),
            )
            for (head, decayed), parameters in groups.items()
        ]

    @flags_as_they_come()
    def step(self, rows: Sequence[int]) -> float:
        """Takes one step; gives its loss."""
        self._model.train()
        inputs, targets = self._data.batch(rows)
        logits = self._model(inputs).vision_logit.squeeze(2)  # (B, 100)
        loss = F.binary_cross_entropy_with_logits(logits, targets) * REGIONS
        loss.backward()
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.clear_grad()
        return float(loss)


@flags_as_they_come()
def published_regions(model: Vilbert, data: PublishedData, rows: Sequence[int]) -> np.ndarray:
    """The chosen region of each example, with all heads computed on the way; (B,)."""
    model.eval()
    with paddle.no_grad():
        inputs, _ = data.batch(rows)
        heads = model(inputs)
    return heads.vision_logit.squeeze(2).numpy().argmax(1)
