"""What does a model rely on? Splits from which something is taken away, so that accuracy shows how much it was used.

Each takes the place of what is there by the same of somewhere else, never by zeros: those the model has not seen in
training, and it would do badly on them for that alone. Everything is drawn from the seed and does not depend on the
order of batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vilbert.dataset import ReferringDataset
from vilbert.errors import DataError
from vilbert.tokenizer import ExpressionTokenizer


def ablated(
    dataset: ReferringDataset, what: str, seed: int, tokenizer: ExpressionTokenizer
) -> ReferringDataset:
    """The split without its `text`, `image`, `location` or `order`."""
    ablations: dict[str, Callable[[], ReferringDataset]] = {
        "text": lambda: with_exchanged_phrases(dataset, seed),
        "image": lambda: with_exchanged_features(dataset, seed),
        "location": lambda: dataset.with_exchanged_locations(seed),
        "order": lambda: with_shuffled_words(dataset, seed, tokenizer),
    }
    return ablations[what]()


def with_exchanged_phrases(dataset: ReferringDataset, seed: int) -> ReferringDataset:
    """The same images and boxes, each with a phrase that was said of another image.

    A model that reads cannot do better on it than on guesses.
    """
    expressions = dataset.expressions
    random = np.random.Generator(np.random.Philox(seed))
    # Rotating a list that is grouped by image by more than its largest group meets no phrase of the same image.
    order = sorted(random.permutation(len(expressions)).tolist(), key=lambda row: expressions[row].image_id)
    largest = max(Counter(expression.image_id for expression in expressions).values())
    if 2 * largest > len(expressions):
        raise DataError(f"Split '{dataset.split}' has too few images to exchange phrases between them.")
    given = {row: order[place - largest] for place, row in enumerate(order)}
    shuffled = [
        replace(expression, text=expressions[given[row]].text, token_ids=expressions[given[row]].token_ids)
        for row, expression in enumerate(expressions)
    ]
    return dataset.with_expressions(shuffled)


def with_exchanged_features(dataset: ReferringDataset, seed: int) -> ReferringDataset:
    """The same phrases and boxes, each image with the region features of another image of the split.

    What is left of the picture is where its boxes are.
    """
    images = sorted({expression.image_id for expression in dataset.expressions})
    if len(images) < 2:
        raise DataError(f"Split '{dataset.split}' has too few images to exchange features between them.")
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x1A6E])))
    order = random.permutation(images).tolist()
    return dataset.with_features_of(dict(zip(order, [*order[1:], order[0]])))


def with_shuffled_words(
    dataset: ReferringDataset, seed: int, tokenizer: ExpressionTokenizer
) -> ReferringDataset:
    """The same images and boxes, the words of each phrase in another order.

    A model that does as well as before reads a phrase as a bag of words.
    """
    texts = [shuffled_words(expression.text, seed, expression.sent_id) for expression in dataset.expressions]
    return dataset.with_expressions(
        [
            replace(expression, text=text, token_ids=tuple(token_ids))
            for expression, text, token_ids in zip(dataset.expressions, texts, tokenizer.encode(texts))
        ]
    )


def shuffled_words(text: str, seed: int, sent_id: int) -> str:
    """The words of `text` in another order; only one word, or the same word again and again, stays as it is."""
    words = text.split()
    if len(set(words)) < 2:
        return text
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, sent_id])))
    while True:
        shuffled = [words[place] for place in random.permutation(len(words)).tolist()]
        if shuffled != words:
            return " ".join(shuffled)
