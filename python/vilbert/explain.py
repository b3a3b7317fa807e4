"""Why this region? What each word gives to each region, and what changes when a word is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from vilbert.boxes import locations
from vilbert.dataset import MAX_REGIONS, open_regions, open_tokenizer
from vilbert.errors import ConfigError
from vilbert.features import ImageRegions
from vilbert.model import Inputs, Vilbert
from vilbert.predict import ranked
from vilbert.session import open_model
from vilbert.tokenizer import MAX_TOKENS, ExpressionTokenizer


def explain(request: dict[str, Any]) -> dict[str, Any]:
    """Ranks the regions of an image for one phrase and, where asked, says what each word does.

    Request: `config`, `weights` (tensor index), `detectedFile` and the `detectedSource` it is of, `vocabulary`, `imageId`,
    `phrase`, `topK`, `attention`, `leaveOut`. The scores are those of `vilbert.predict:predict`, to the bit.
    """
    phrase: str = request["phrase"]
    if not phrase.strip():
        raise ConfigError("The phrase is empty.", "Say in words which object is meant, such as 'man in red'.")
    regions = open_regions(request["detectedFile"], request["detectedSource"])[request["imageId"]]
    model = open_model(request["config"], request["weights"])
    tokenizer = open_tokenizer(request["vocabulary"])
    words = phrase.split()
    seen = _LastMeeting()
    with paddle.no_grad(), seen.of(model) if request["attention"] else _unseen():
        logits = model.region_logits(_inputs(tokenizer.encode([phrase]), regions)).numpy()[0]
    answer: dict[str, Any] = {
        "image": request["imageId"],
        "width": regions.width,
        "height": regions.height,
        "phrase": phrase,
        "words": words,
        "regions": ranked(regions.boxes, logits, request["topK"]),
    }
    if request["attention"]:
        answer["attention"] = {
            "layer": len(model.bert.encoder.c_layer) - 1,
            "boxes": [[float(edge) for edge in box] for box in regions.boxes[: len(logits)]],
            "words": _attention_of_words(seen.weights(), tokenizer.piece_counts(words)),
        }
    if request["leaveOut"]:
        answer["leaveOut"] = _without_each_word(model, tokenizer, regions, words, logits)
    return answer


@dataclass
class _LastMeeting:
    """What the last co-attention layer computes of an example: queries of the regions, keys of the words."""

    heads: int = 1
    outputs: dict[str, Tensor] = field(default_factory=dict)

    @contextmanager
    def of(self, model: Vilbert) -> Iterator[None]:
        """Listens while the model runs; its own path stays as it is."""
        meeting = model.bert.encoder.c_layer[-1].biattention
        self.heads = meeting.heads
        hooks = [
            getattr(meeting, name).register_forward_post_hook(self._keep(name)) for name in ("query1", "key2")
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _keep(self, name: str) -> Any:
        def hook(_layer: Any, _inputs: Any, output: Tensor) -> None:
            self.outputs[name] = output

        return hook

    def weights(self) -> np.ndarray:
        """Attention of each region on each token, the mean over the heads; (R, T), each row sums to 1."""
        query, key = self.outputs["query1"], self.outputs["key2"]  # (1, R, D_b), (1, T, D_b)
        size = query.shape[2] // self.heads
        query = query.reshape([0, 0, self.heads, size]).transpose([0, 2, 1, 3])  # (1, H, R, D_b/H)
        key = key.reshape([0, 0, self.heads, size]).transpose([0, 2, 1, 3])  # (1, H, T, D_b/H)
        scores = paddle.matmul(query * size**-0.5, key, transpose_y=True)  # (1, H, R, T)
        return F.softmax(scores).mean(axis=1).numpy()[0]


@contextmanager
def _unseen() -> Iterator[None]:
    yield


def _attention_of_words(weights: np.ndarray, piece_counts: list[int]) -> list[list[float] | None]:
    """For each word, how much each region takes from it: (words, R); None for words behind the 20th token.

    These are the weights of image queries over text keys in the last co-attention layer, the mean over its heads,
    summed over the pieces of a word. It is the last place where the words reach the regions, and what the answer is
    read from; the other direction of that layer has no effect on it. What is missing to 1 went to [CLS] and [SEP].
    """
    words: list[list[float] | None] = []
    start = 1  # behind [CLS]
    for count in piece_counts:
        stop = min(start + count, weights.shape[1])
        is_read = count > 0 and start < stop
        words.append([float(weight) for weight in weights[:, start:stop].sum(axis=1)] if is_read else None)
        start += count
    return words


def _without_each_word(
    model: Vilbert,
    tokenizer: ExpressionTokenizer,
    regions: ImageRegions,
    words: list[str],
    logits: np.ndarray,
) -> list[dict[str, Any]]:
    """For each word: the score of the chosen region without it, how far it falls, and which region is then chosen."""
    chosen = int(np.argmax(logits))
    whole = ranked(regions.boxes, logits, 1)[0]["score"]
    # More words than a phrase has tokens are never read: leaving them out changes what moves up, so all are tried,
    # but no more of them at once than a phrase can have.
    phrases = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))]
    answers: list[dict[str, Any]] = []
    for start in range(0, len(phrases), MAX_TOKENS):
        token_ids = tokenizer.encode(phrases[start : start + MAX_TOKENS])
        with paddle.no_grad():
            batch = model.region_logits(_inputs(token_ids, regions)).numpy()  # (words, R)
        for without in batch:
            score = float(1 / (1 + np.exp(-np.float64(without[chosen]))))
            answers.append({"score": score, "drop": whole - score, "chosen": int(np.argmax(without))})
    return answers


def _inputs(token_ids: list[list[int]], regions: ImageRegions) -> Inputs:
    """The regions of one image beside each of several phrases; masks only where a phrase is padded."""
    boxes = regions.boxes[:MAX_REGIONS]
    places = locations(boxes, regions.width, regions.height)
    places[0] = (0, 0, 1, 1, 1)
    width, count = max(map(len, token_ids)), len(token_ids)
    tokens, mask = np.zeros((count, width), np.int64), np.zeros((count, width), np.float32)
    for row, ids in enumerate(token_ids):
        tokens[row, : len(ids)], mask[row, : len(ids)] = ids, 1
    features = paddle.to_tensor(regions.features[:MAX_REGIONS][None])
    return Inputs(
        tokens=paddle.to_tensor(tokens),
        features=features if count == 1 else features.expand([count, -1, -1]),
        locations=paddle.to_tensor(np.repeat(places[None], count, axis=0)),
        token_mask=None if mask.all() else paddle.to_tensor(mask),
    )
