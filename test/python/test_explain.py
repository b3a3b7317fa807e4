"""What a word does: against the same sums done by hand, and against phrases that never had the word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Golden
from vilbert.dataset import open_split
from vilbert.errors import ConfigError
from vilbert.explain import explain
from vilbert.predict import predict
from vilbert.session import open_model

PHRASE = "the Big zebraish horse, left"


def request(golden: Golden, phrase: str = PHRASE, **more: Any) -> dict[str, Any]:
    image = open_split(golden.data, "val", golden.vocabulary).expressions[0].image_id
    data = {key: golden.data[key] for key in ("detectedFile", "detectedSource")}
    asked = {"attention": False, "leaveOut": False, "topK": 100, "phrase": phrase, **more}
    return golden.request(**data, imageId=image, **asked)


def predicted(golden: Golden, phrase: str) -> list[dict[str, Any]]:
    asked = request(golden, phrase)
    return predict({**asked, "phrases": [phrase]})["answers"][0]["regions"]


def test_the_answer_is_that_of_predict_to_the_bit(golden: Golden) -> None:
    expected = predicted(golden, PHRASE)
    cases: list[dict[str, Any]] = [{}, {"attention": True, "leaveOut": True}]
    for more in cases:
        assert explain(request(golden, **more))["regions"] == expected


def test_leaving_a_word_out_is_asking_without_it(golden: Golden) -> None:
    answer = explain(request(golden, leaveOut=True))
    words = PHRASE.split()
    assert answer["words"] == words
    best = answer["regions"][0]
    for place, effect in enumerate(answer["leaveOut"]):
        without = predicted(golden, " ".join(words[:place] + words[place + 1 :]))
        [score] = [region["score"] for region in without if region["index"] == best["index"]]
        assert effect["score"] == pytest.approx(score, abs=2e-5)
        assert effect["drop"] == pytest.approx(best["score"] - score, abs=2e-5)
        assert effect["chosen"] == without[0]["index"]


def test_a_phrase_of_one_word_has_an_answer_without_it(golden: Golden) -> None:
    [effect] = explain(request(golden, "horse", leaveOut=True))["leaveOut"]
    assert 0 < effect["score"] < 1


def test_attention_is_what_the_last_meeting_of_the_streams_computes(golden: Golden) -> None:
    model = open_model(golden.config, golden.weights)
    meeting = model.bert.encoder.c_layer[-1].biattention
    seen: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        return lambda _layer, given: seen.update({name: given[0].numpy()[0].astype(np.float64)})

    hooks = [getattr(meeting, name).register_forward_pre_hook(keep(name)) for name in ("query1", "key2")]
    answer = explain(request(golden, attention=True))["attention"]
    for hook in hooks:
        hook.remove()

    def heads(name: str) -> np.ndarray:
        layer = getattr(meeting, name)
        projected = seen[name] @ layer.weight.numpy() + layer.bias.numpy()
        return projected.reshape(len(projected), meeting.heads, -1).transpose(1, 0, 2)

    query, key = heads("query1"), heads("key2")
    scores = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[2]))
    weights = (scores / scores.sum(axis=2, keepdims=True)).mean(axis=0)  # (R, T)
    # [CLS] the big zebra ##ish horse , left [SEP]
    pieces = [slice(1, 2), slice(2, 3), slice(3, 5), slice(5, 7), slice(7, 8)]
    assert weights.shape[1] == 9
    assert answer["layer"] == len(model.bert.encoder.c_layer) - 1
    assert len(answer["boxes"]) == len(weights)
    expected = [weights[:, piece].sum(axis=1) for piece in pieces]
    np.testing.assert_allclose(answer["words"], expected, atol=1e-5)


def test_words_behind_the_last_token_have_no_attention(golden: Golden) -> None:
    words = explain(request(golden, "red " * 25, attention=True, leaveOut=True))
    read = [weights is not None for weights in words["attention"]["words"]]
    assert read == [True] * 19 + [False] * 6
    assert len(words["leaveOut"]) == 25
    assert words["leaveOut"][24]["drop"] == pytest.approx(0, abs=2e-5)


def test_an_empty_phrase_is_refused(golden: Golden) -> None:
    with pytest.raises(ConfigError, match="empty"):
        explain(request(golden, "  "))
