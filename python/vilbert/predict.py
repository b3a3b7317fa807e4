"""Which region does a phrase mean? One image, any number of phrases."""

from __future__ import annotations

from typing import Any

import numpy as np

from vilbert.dataset import Expression, ReferringDataset, open_regions, open_tokenizer
from vilbert.errors import ConfigError
from vilbert.features import RegionStore
from vilbert.scorer import open_scorer
from vilbert.session import check_data_fit


def predict(request: dict[str, Any]) -> dict[str, Any]:
    """Ranks the regions of an image of the data set for each of `phrases`.

    Request: `config`, `weights` (tensor index), `detectedFile` and the `detectedSource` it is of, `vocabulary`, `imageId`,
    `phrases`, `topK`, and optionally `precision`.
    """
    for phrase in request["phrases"]:
        if not phrase.strip():
            raise ConfigError(
                "The phrase is empty.", "Say in words which object is meant, e.g. --phrase 'man in red'."
            )
    store = open_regions(request["detectedFile"], request["detectedSource"])
    regions = store[request["imageId"]]
    scorer = open_scorer(request["config"], request["weights"], request.get("precision", "fp32"))
    questions = asked(store, request)
    check_data_fit(scorer.config, questions)
    # One by one: an answer does not depend on what else is asked.
    logits = [scorer.logits(questions, [row])[0] for row in range(len(questions))]
    return {
        "precision": scorer.precision,
        "engine": scorer.engine,
        "image": request["imageId"],
        "width": regions.width,
        "height": regions.height,
        "answers": [
            {"phrase": phrase, "regions": ranked(regions.boxes, scores, request["topK"])}
            for phrase, scores in zip(request["phrases"], logits)
        ],
    }


def asked(store: RegionStore, request: dict[str, Any]) -> ReferringDataset:
    """The `phrases` of a request about its `imageId`, as examples that have no box."""
    token_ids = open_tokenizer(request["vocabulary"]).encode(request["phrases"])
    expressions = [
        Expression(
            sent_id=-1,
            ref_id=-1,
            image_id=request["imageId"],
            box=(0, 0, 0, 0),
            text=text,
            token_ids=tuple(ids),
        )
        for text, ids in zip(request["phrases"], token_ids)
    ]
    return ReferringDataset("asked", expressions, store, None)


def ranked(boxes: np.ndarray, logits: np.ndarray, top_k: int) -> list[dict[str, Any]]:
    """The best regions first; `score` is the sigmoid of the logit, the overlap that the model expects."""
    order = np.argsort(-logits, kind="stable")[:top_k]
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return [
        {
            "index": int(index),
            "box": [float(edge) for edge in boxes[index]],
            "score": float(scores[index]),
            "logit": float(logits[index]),
        }
        for index in order
    ]
