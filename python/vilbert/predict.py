"""Which region does a phrase mean? One image, any number of phrases."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle

from vilbert.boxes import locations
from vilbert.dataset import MAX_REGIONS, open_regions, open_tokenizer
from vilbert.errors import ConfigError
from vilbert.features import ImageRegions
from vilbert.model import Inputs
from vilbert.session import open_model


def predict(request: dict[str, Any]) -> dict[str, Any]:
    """Ranks the regions of an image of the data set for each of `phrases`.

    Request: `config`, `weights` (tensor index), `detectedFile` and the `detectedSource` it is of, `vocabulary`, `imageId`,
    `phrases`, `topK`.
    """
    for phrase in request["phrases"]:
        if not phrase.strip():
            raise ConfigError(
                "The phrase is empty.", "Say in words which object is meant, e.g. --phrase 'man in red'."
            )
    regions = open_regions(request["detectedFile"], request["detectedSource"])[request["imageId"]]
    model = open_model(request["config"], request["weights"])
    token_ids = open_tokenizer(request["vocabulary"]).encode(request["phrases"])
    with paddle.no_grad():
        logits = [model.region_logits(_inputs(ids, regions)).numpy()[0] for ids in token_ids]
    return {
        "image": request["imageId"],
        "width": regions.width,
        "height": regions.height,
        "answers": [
            {"phrase": phrase, "regions": ranked(regions.boxes, scores, request["topK"])}
            for phrase, scores in zip(request["phrases"], logits)
        ],
    }


def _inputs(token_ids: list[int], regions: ImageRegions) -> Inputs:
    boxes = regions.boxes[:MAX_REGIONS]
    places = locations(boxes, regions.width, regions.height)
    places[0] = (0, 0, 1, 1, 1)
    return Inputs(
        tokens=paddle.to_tensor([token_ids]),
        features=paddle.to_tensor(regions.features[:MAX_REGIONS][None]),
        locations=paddle.to_tensor(places[None]),
    )


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
