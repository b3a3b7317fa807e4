"""Which region does a phrase mean? One image, any number of phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vilbert.dataset import Expression, ReferringDataset, open_regions, open_tokenizer
from vilbert.errors import ConfigError
from vilbert.features import RegionStore
from vilbert.scorer import open_scorer
from vilbert.session import check_data_fit

BATCH_SIZE = 32


def predict(request: dict[str, Any]) -> dict[str, Any]:
    """Ranks the regions of an image of the data set for each of `phrases`.

    Request: `config`, `weights` (tensor index), `detectedFile` and the `detectedSource` it is of, `vocabulary`, `imageId`,
    `phrases`, `topK`, and optionally what `vilbert.engine:choose_engine` says of it.
    """
    for phrase in request["phrases"]:
        if not phrase.strip():
            raise ConfigError(
                "The phrase is empty.", "Say in words which object is meant, e.g. --phrase 'man in red'."
            )
    store = open_regions(request["detectedFile"], request["detectedSource"])
    regions = store[request["imageId"]]
    scorer = open_scorer(request)
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


def predict_batch(request: dict[str, Any]) -> dict[str, Any]:
    """Ranks regions for many phrases about many images at once; answers come in the order of `queries`.

    As `predict`, but with `queries` ([{"imageId", "phrase"}]) in place of `imageId` and `phrases`. Computing together is
    faster, and may change the last digits of a score.
    """
    store = open_regions(request["detectedFile"], request["detectedSource"])
    scorer = open_scorer(request)
    queries = request["queries"]
    pairs = [(query["imageId"], query["phrase"]) for query in queries]
    questions = _questions(store, request["vocabulary"], pairs)
    check_data_fit(scorer.config, questions)
    logits: dict[int, np.ndarray] = {}
    for rows in scorer.batches(questions, BATCH_SIZE):
        logits.update(zip(rows, scorer.logits(questions, rows)))
    answers = []
    for row, query in enumerate(queries):
        regions = store[query["imageId"]]
        best = ranked(regions.boxes, logits[row], request["topK"])
        answers.append({"width": regions.width, "height": regions.height, "regions": best})
    return {"precision": scorer.precision, "engine": scorer.engine, "answers": answers}


def asked(store: RegionStore, request: dict[str, Any]) -> ReferringDataset:
    """The `phrases` of a request about its `imageId`, as examples that have no box."""
    pairs = [(request["imageId"], phrase) for phrase in request["phrases"]]
    return _questions(store, request["vocabulary"], pairs)


def _questions(store: RegionStore, vocabulary: str, pairs: Sequence[tuple[int, str]]) -> ReferringDataset:
    token_ids = open_tokenizer(vocabulary).encode([phrase for _, phrase in pairs])
    expressions = [
        Expression(
            sent_id=-1,
            ref_id=-1,
            image_id=image_id,
            box=(0, 0, 0, 0),
            text=text,
            token_ids=tuple(ids),
        )
        for (image_id, text), ids in zip(pairs, token_ids)
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
