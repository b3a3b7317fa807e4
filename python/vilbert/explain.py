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

from vilbert.dataset import ReferringDataset, in_order, open_regions, open_tokenizer
from vilbert.errors import ConfigError
from vilbert.model import Vilbert
from vilbert.predict import asked, ranked
from vilbert.scorer import Scorer, open_scorer
from vilbert.session import check_data_fit, open_model, to_inputs

PHRASES_AT_ONCE = 20


def explain(request: dict[str, Any]) -> dict[str, Any]:
    """Ranks the regions of an image for one phrase and, where asked, says what each word does.

    Request: `config`, `weights` (tensor index), `detectedFile` and the `detectedSource` it is of, `vocabulary`, `imageId`,
    `phrase`, `topK`, `attention`, `leaveOut`, and optionally what `vilbert.engine:choose_engine` says of it. The scores
    are those of `vilbert.predict:predict`, to the bit.
    """
    phrase: str = request["phrase"]
    if not phrase.strip():
        raise ConfigError("The phrase is empty.", "Say in words which object is meant, such as 'man in red'.")
    store = open_regions(request["detectedFile"], request["detectedSource"])
    regions = store[request["imageId"]]
    scorer = open_scorer(request)
    question = asked(store, {**request, "phrases": [phrase]})
    check_data_fit(scorer.config, question)
    words = phrase.split()
    [logits] = scorer.logits(question, [0])
    answer: dict[str, Any] = {
        "image": request["imageId"],
        "width": regions.width,
        "height": regions.height,
        "phrase": phrase,
        "words": words,
        "regions": ranked(regions.boxes, logits, request["topK"]),
    }
    if request["attention"]:
        model = open_model(request["config"], request["weights"])
        piece_counts = open_tokenizer(request["vocabulary"]).piece_counts(words)
        answer["attention"] = {
            "layer": len(model.bert.encoder.c_layer) - 1,
            "boxes": [[float(edge) for edge in box] for box in regions.boxes[: len(logits)]],
            "words": _attention_of_words(_attention(model, question), piece_counts),
        }
    if request["leaveOut"]:
        phrases = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))]
        without = asked(store, {**request, "phrases": phrases})
        answer["leaveOut"] = _without_each_word(scorer, without, int(np.argmax(logits)), logits)
    return answer


def _attention(model: Vilbert, question: ReferringDataset) -> np.ndarray:
    """Runs the model as it is once more, because a faster engine does not show what it computes; (R, T)."""
    seen = _LastMeeting()
    with paddle.no_grad(), seen.of(model):
        model.region_logits(to_inputs(question.batch([0])))
    return seen.weights()


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
    scorer: Scorer, without: ReferringDataset, chosen: int, logits: np.ndarray
) -> list[dict[str, Any]]:
    """For each word: the score of the chosen region without it, how far it falls, and which region is then chosen."""
    whole = _score(logits[chosen])
    return [
        {"score": _score(row[chosen]), "drop": whole - _score(row[chosen]), "chosen": int(np.argmax(row))}
        for rows in in_order(range(len(without)), PHRASES_AT_ONCE)
        for row in scorer.logits(without, rows)
    ]


def _score(logit: np.float32) -> float:
    return float(1 / (1 + np.exp(-np.float64(logit))))
