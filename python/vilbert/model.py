"""ViLBERT: two transformer streams, text and image regions, that meet in co-attention layers.

Lu, Batra, Parikh, Lee, "ViLBERT: Pretraining Task-Agnostic Visiolinguistic Representations for
Vision-and-Language Tasks", NeurIPS 2019, arXiv:1908.02265; multi-task heads: Lu et al., "12-in-1", CVPR 2020,
arXiv:1912.02315. Names of parameters are those of the published checkpoints, a misspelt head included.

Shapes: B batch, T tokens, R regions, D_t text size, D_v image size, D_b size where the streams meet, H heads.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from vilbert.config import ModelConfig
from vilbert.matrix import Matrix
from vilbert.rows import ACTIVATIONS, MASKED, PaddedRows, Rows


@dataclass(frozen=True)
class Inputs:
    """One batch, padded or packed as its rows say; packed, B x T and B x R are one dimension."""

    tokens: Tensor | Matrix  # (B, T) int64
    features: Tensor | Matrix  # (B, R, v_feature_size)
    locations: Tensor | Matrix  # (B, R, 5)
    text_rows: Rows
    image_rows: Rows
    region_mask: Tensor | None = None  # (B, R) float32, 1 for what is real; None when nothing is padded


def padded_inputs(
    tokens: Tensor,
    features: Tensor,
    locations: Tensor,
    token_mask: Tensor | None = None,
    region_mask: Tensor | None = None,
    *,
    recomputes: bool = False,
) -> Inputs:
    """A padded batch; the masks (B, T) and (B, R) are 1 for what is real, or None when nothing is padded."""
    text_rows = PaddedRows(tokens.shape[1], token_mask, recomputes=recomputes)
    image_rows = PaddedRows(features.shape[1], region_mask, recomputes=recomputes)
    return Inputs(tokens, features, locations, text_rows, image_rows, region_mask)


class HeadOutputs(NamedTuple):
    """The seven heads, in the published order."""

    vil_prediction: Tensor  # (B, 1)
    vil_logit: Tensor  # (B, 1)
    vil_binary_prediction: Tensor  # (B, 2)
    vision_prediction: Tensor  # (B, R, v_target_size)
    vision_logit: Tensor  # (B, R, 1)
    linguisic_prediction: Tensor  # (B, T, vocab_size)
    linguisic_logit: Tensor  # (B, T, 1)


def _linear(size_in: int, size_out: int) -> nn.Linear:
    # The weights are always set from a checkpoint or from the seeded initialisation: zeros are cheapest here.
    zero = nn.initializer.Constant(0.0)
    return nn.Linear(size_in, size_out, weight_attr=paddle.ParamAttr(initializer=zero), bias_attr=True)


def _embedding(count: int, size: int, padding: int | None = None) -> nn.Embedding:
    zero = nn.initializer.Constant(0.0)
    return nn.Embedding(count, size, padding_idx=padding, weight_attr=paddle.ParamAttr(initializer=zero))


def _layer_norm(size: int) -> nn.LayerNorm:
    return nn.LayerNorm(size, epsilon=1e-12)


class TextEmbeddings(nn.Layer):
    """Sum of word, position and token-type embeddings; an expression is always of type 0."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.word_embeddings = _embedding(config.vocab_size, config.hidden_size, padding=0)
        self.position_embeddings = _embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = _embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = _layer_norm(config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """Token ids (B, T) to the text stream (B, T, D_t)."""
        summed = rows.embed_text(
            tokens, self.word_embeddings, self.position_embeddings, self.token_type_embeddings
        )  # (B, T, D_t)
        return rows.dropout(rows.norm(summed, self.LayerNorm), self.dropout)


class ImageEmbeddings(nn.Layer):
    """Sum of a region's projected feature and its projected location."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.image_embeddings = _linear(config.v_feature_size, config.v_hidden_size)
        self.image_location_embeddings = _linear(5, config.v_hidden_size)
        self.LayerNorm = _layer_norm(config.v_hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, features: Tensor, locations: Tensor, rows: Rows) -> Tensor:
        """Region features (B, R, v_feature_size) and locations (B, R, 5) to the image stream (B, R, D_v)."""
        summed = rows.embed_regions(
            features, self.image_embeddings, locations, self.image_location_embeddings
        )  # (B, R, D_v)
        return rows.dropout(rows.norm(summed, self.LayerNorm), self.dropout)


class SelfAttention(nn.Layer):
    """Multi-head attention of a stream over itself."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = _linear(size, size)
        self.key = _linear(size, size)
        self.value = _linear(size, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """What each row takes from all rows of its example; (B, N, D) in and out."""
        query, key, value = rows.project(x, self.query, self.key, self.value)
        return rows.attend(query, key, value, rows, self.heads, self.dropout)


class Residual(nn.Layer):
    """Projection, dropout, and layer norm of the sum with what went in before."""

    def __init__(self, size_in: int, size_out: int, dropout: float) -> None:
        super().__init__()
        self.dense = _linear(size_in, size_out)
        self.LayerNorm = _layer_norm(size_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, residual: Tensor, rows: Rows) -> Tensor:
        """Of `x` (B, N, size_in) and what went in before, `residual` (B, N, size_out): (B, N, size_out)."""
        return rows.residual(x, self.dense, self.dropout, self.LayerNorm, residual)


class Intermediate(nn.Layer):
    """The wide projection of a layer, and its activation."""

    def __init__(self, size_in: int, size_out: int, activation: str) -> None:
        super().__init__()
        self.dense = _linear(size_in, size_out)
        self.activation = activation

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(B, N, size_in) to (B, N, size_out)."""
        return rows.intermediate(x, self.dense, self.activation)


class Attention(nn.Layer):
    """Self-attention with the projection and the sum behind it."""

    def __init__(self, size: int, heads: int, attention_dropout: float, hidden_dropout: float) -> None:
        super().__init__()
        self.self = SelfAttention(size, heads, attention_dropout)
        self.output = Residual(size, size, hidden_dropout)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """One stream, (B, N, D) in and out."""
        return self.output(self.self(x, rows), x, rows)


class TransformerLayer(nn.Layer):
    """One BERT layer of either stream."""

    def __init__(
        self,
        *,
        size: int,
        heads: int,
        intermediate_size: int,
        activation: str,
        attention_dropout: float,
        hidden_dropout: float,
    ) -> None:
        super().__init__()
        self.attention = Attention(size, heads, attention_dropout, hidden_dropout)
        self.intermediate = Intermediate(size, intermediate_size, activation)
        self.output = Residual(intermediate_size, size, hidden_dropout)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """One stream, (B, N, D) in and out."""
        x = self.attention(x, rows)
        return self.output(self.intermediate(x, rows), x, rows)


def text_layer(config: ModelConfig) -> TransformerLayer:
    """A layer of the text stream."""
    return TransformerLayer(
        size=config.hidden_size,
        heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        activation=config.hidden_act,
        attention_dropout=config.attention_probs_dropout_prob,
        hidden_dropout=config.hidden_dropout_prob,
    )


def image_layer(config: ModelConfig) -> TransformerLayer:
    """A layer of the image stream."""
    return TransformerLayer(
        size=config.v_hidden_size,
        heads=config.v_num_attention_heads,
        intermediate_size=config.v_intermediate_size,
        activation=config.v_hidden_act,
        attention_dropout=config.v_attention_probs_dropout_prob,
        hidden_dropout=config.v_hidden_dropout_prob,
    )


class CoAttention(nn.Layer):
    """Each stream's queries over the other's keys and values; 1 is the image, 2 the text."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.bi_num_attention_heads
        for name in ("query1", "key1", "value1"):
            setattr(self, name, _linear(config.v_hidden_size, config.bi_hidden_size))
        for name in ("query2", "key2", "value2"):
            setattr(self, name, _linear(config.hidden_size, config.bi_hidden_size))
        self.dropout1 = nn.Dropout(config.v_attention_probs_dropout_prob)  # text queries over image keys
        self.dropout2 = nn.Dropout(config.attention_probs_dropout_prob)  # image queries over text keys

    def for_image(self, image: Tensor, text: Tensor, image_rows: Rows, text_rows: Rows) -> Tensor:
        """What each region takes from the words; (B, R, D_b)."""
        (query,) = image_rows.project(image, self.query1)
        key, value = text_rows.project(text, self.key2, self.value2)
        return image_rows.attend(query, key, value, text_rows, self.heads, self.dropout2)

    def for_text(self, image: Tensor, text: Tensor, image_rows: Rows, text_rows: Rows) -> Tensor:
        """What each word takes from the regions; (B, T, D_b)."""
        (query,) = text_rows.project(text, self.query2)
        key, value = image_rows.project(image, self.key1, self.value1)
        return text_rows.attend(query, key, value, image_rows, self.heads, self.dropout1)


class CoAttentionOutput(nn.Layer):
    """`q_dense1` and `q_dense2` are in every checkpoint and used by none."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense1 = _linear(config.bi_hidden_size, config.v_hidden_size)
        self.LayerNorm1 = _layer_norm(config.v_hidden_size)
        self.dropout1 = nn.Dropout(config.v_hidden_dropout_prob)
        self.q_dense1 = _linear(config.bi_hidden_size, config.v_hidden_size)
        self.dense2 = _linear(config.bi_hidden_size, config.hidden_size)
        self.LayerNorm2 = _layer_norm(config.hidden_size)
        self.dropout2 = nn.Dropout(config.hidden_dropout_prob)
        self.q_dense2 = _linear(config.bi_hidden_size, config.hidden_size)

    def for_image(self, context: Tensor, image: Tensor, rows: Rows) -> Tensor:
        """The sum of the image stream and what it took from the text, (B, R, D_b); (B, R, D_v)."""
        return rows.residual(context, self.dense1, self.dropout1, self.LayerNorm1, image)  # (B, R, D_v)

    def for_text(self, context: Tensor, text: Tensor, rows: Rows) -> Tensor:
        """The sum of the text stream and what it took from the image, (B, T, D_b); (B, T, D_t)."""
        return rows.residual(context, self.dense2, self.dropout2, self.LayerNorm2, text)  # (B, T, D_t)


class CoAttentionLayer(nn.Layer):
    """Both streams meet: co-attention, then the wide projections of each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.biattention = CoAttention(config)
        self.biOutput = CoAttentionOutput(config)
        self.v_intermediate = Intermediate(
            config.v_hidden_size, config.v_intermediate_size, config.v_hidden_act
        )
        self.v_output = Residual(
            config.v_intermediate_size, config.v_hidden_size, config.v_hidden_dropout_prob
        )
        self.t_intermediate = Intermediate(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.t_output = Residual(config.intermediate_size, config.hidden_size, config.hidden_dropout_prob)

    def for_image(self, image: Tensor, text: Tensor, image_rows: Rows, text_rows: Rows) -> Tensor:
        """The image stream after this layer; (B, R, D_v)."""
        return image_rows.segment(self, partial(self._for_image, image_rows, text_rows), image, text)

    def for_text(self, image: Tensor, text: Tensor, image_rows: Rows, text_rows: Rows) -> Tensor:
        """The text stream after this layer; (B, T, D_t)."""
        return text_rows.segment(self, partial(self._for_text, image_rows, text_rows), image, text)

    def _for_image(self, image_rows: Rows, text_rows: Rows, image: Tensor, text: Tensor) -> Tensor:
        context = self.biattention.for_image(image, text, image_rows, text_rows)
        image = self.biOutput.for_image(context, image, image_rows)
        rows = image_rows.after_meeting()
        return self.v_output(self.v_intermediate(image, rows), image, rows)

    def _for_text(self, image_rows: Rows, text_rows: Rows, image: Tensor, text: Tensor) -> Tensor:
        context = self.biattention.for_text(image, text, image_rows, text_rows)
        text = self.biOutput.for_text(context, text, text_rows)
        return self.t_output(self.t_intermediate(text, text_rows), text, text_rows)


class Encoder(nn.Layer):
    """Both streams: between two co-attention layers each runs its own layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.LayerList([text_layer(config) for _ in range(config.num_hidden_layers)])
        self.v_layer = nn.LayerList([image_layer(config) for _ in range(config.v_num_hidden_layers)])
        self.c_layer = nn.LayerList([CoAttentionLayer(config) for _ in config.v_biattention_id])

    def forward(
        self,
        text: Tensor,
        image: Tensor,
        text_rows: Rows,
        image_rows: Rows,
        *,
        image_only: bool,
    ) -> tuple[Tensor, Tensor]:
        """Runs both streams; with `image_only` no text work is done that the image stream cannot see."""
        config = self.config
        text_at = image_at = 0
        if config.v_biattention_id[0] > 0:
            image, image_rows = image_rows.unshared(image)
        for met, (image_id, text_id) in enumerate(zip(config.v_biattention_id, config.t_biattention_id)):
            text = self._run(self.layer, text_at, text_id, config.fixed_t_layer, text, text_rows)
            image = self._run(self.v_layer, image_at, image_id, config.fixed_v_layer, image, image_rows)
            text_at, image_at = text_id, image_id
            layer, last = self.c_layer[met], met + 1 == len(self.c_layer)
            image_before = image
            image = layer.for_image(image_before, text, image_rows, text_rows)
            if not (image_only and last):
                text = layer.for_text(image_before, text, image_rows, text_rows)
            image_rows = image_rows.after_meeting()
        image = self._run(self.v_layer, image_at, len(self.v_layer), config.fixed_v_layer, image, image_rows)
        if not image_only:
            text = self._run(self.layer, text_at, len(self.layer), config.fixed_t_layer, text, text_rows)
        return text, image

    @staticmethod
    def _run(layers: nn.LayerList, start: int, stop: int, fixed: int, x: Tensor, rows: Rows) -> Tensor:
        for index in range(start, stop):
            with paddle.no_grad() if index < fixed else contextlib.nullcontext():
                x = rows.segment(layers[index], partial(layers[index], rows=rows), x)
        return x


class Pooler(nn.Layer):
    """The first position, projected into the size where the streams meet."""

    def __init__(self, size: int, pooled_size: int) -> None:
        super().__init__()
        self.dense = _linear(size, pooled_size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, D_b)."""
        return F.relu(self.dense(x[:, 0]))  # (B, D_b)


class Bert(nn.Layer):
    """Embeddings and both streams, without heads; named as in the published checkpoints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embeddings = TextEmbeddings(config)
        self.v_embeddings = ImageEmbeddings(config)
        self.encoder = Encoder(config)
        self.t_pooler = Pooler(config.hidden_size, config.bi_hidden_size)
        self.v_pooler = Pooler(config.v_hidden_size, config.bi_hidden_size)

    def forward(self, inputs: Inputs, *, image_only: bool) -> tuple[Tensor, Tensor]:
        """Text stream (B, T, D_t) and image stream (B, R, D_v) of a batch, for `image_only` see `Encoder`."""
        text_rows, image_rows = inputs.text_rows, inputs.image_rows
        embed_text = partial(self.embeddings, rows=text_rows)
        embed_regions = partial(self.v_embeddings, rows=image_rows)
        text = text_rows.segment(self.embeddings, embed_text, inputs.tokens)
        image = image_rows.segment(self.v_embeddings, embed_regions, inputs.features, inputs.locations)
        return self.encoder(text, image, inputs.text_rows, inputs.image_rows, image_only=image_only)


class PredictionTransform(nn.Layer):
    """What a masked-prediction head does before its classes: projection, activation, layer norm."""

    def __init__(self, size: int, activation: str) -> None:
        super().__init__()
        self.dense = _linear(size, size)
        self.activation = ACTIVATIONS[activation]
        self.LayerNorm = _layer_norm(size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) in and out."""
        return self.LayerNorm(self.activation(self.dense(x)))


class PredictionHead(nn.Layer):
    """Logits of the classes of each row: words of the vocabulary, or the detector's classes."""

    def __init__(self, size: int, classes: int, activation: str) -> None:
        super().__init__()
        self.transform = PredictionTransform(size, activation)
        self.decoder = _linear(size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, N, classes)."""
        return self.decoder(self.transform(x))


class PretrainingHeads(nn.Layer):
    """The heads of the pre-training: masked words, masked regions, and whether text and image fit."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.predictions = PredictionHead(config.hidden_size, config.vocab_size, config.hidden_act)
        self.bi_seq_relationship = _linear(config.bi_hidden_size, 2)
        # The published code uses the text stream's activation here, too.
        self.imagePredictions = PredictionHead(config.v_hidden_size, config.v_target_size, config.hidden_act)


class WeightNormLinear(nn.Layer):
    """Linear whose weight is `g * v / |v|`, with one scalar g for the whole matrix."""

    def __init__(self, size_in: int, size_out: int) -> None:
        super().__init__()
        zero = nn.initializer.Constant(0.0)
        self.weight_v = self.create_parameter([size_in, size_out], default_initializer=zero)
        self.weight_g = self.create_parameter([], default_initializer=nn.initializer.Constant(1.0))
        self.bias = self.create_parameter([size_out], is_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, size_in) to (B, size_out)."""
        return F.linear(x, self.weight_v * (self.weight_g / self.weight_v.norm()), self.bias)


class AnswerHead(nn.Layer):
    """`vil_prediction`: two weight-normed projections with ReLU and dropout between them."""

    def __init__(self, size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.main = nn.LayerDict(
            {"0": WeightNormLinear(size, hidden_size), "3": WeightNormLinear(hidden_size, 1)}
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, size) to one logit, (B, 1)."""
        return self.main["3"](self.dropout(F.relu(self.main["0"](x))))


class Vilbert(nn.Layer):
    """The whole model. Referring expressions need `region_logits` alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.cls = PretrainingHeads(config)
        answer_dropout = 0.5 if config.head_dropout_prob else 0.0
        self.vil_prediction = AnswerHead(config.bi_hidden_size, 2 * config.bi_hidden_size, answer_dropout)
        self.vil_logit = _linear(config.bi_hidden_size, 1)
        self.vision_logit = _linear(config.v_hidden_size, 1)
        self.linguisic_logit = _linear(config.hidden_size, 1)
        self.dropout = nn.Dropout(config.head_dropout_prob)

    def region_logits(self, inputs: Inputs) -> Tensor:
        """The logit of each region for being the one meant; (B, R), padding pushed down by 10,000."""
        _, image = self.bert(inputs, image_only=True)
        return self._vision_logit(image, inputs)

    def forward(self, inputs: Inputs) -> HeadOutputs:
        """All seven heads."""
        text, image = self.bert(inputs, image_only=False)
        pooled_text, pooled_image = self.bert.t_pooler(text), self.bert.v_pooler(image)  # (B, D_b)
        fused = (
            pooled_text + pooled_image if self.config.fusion_method == "sum" else pooled_text * pooled_image
        )
        pooled = self.dropout(fused)
        return HeadOutputs(
            vil_prediction=self.vil_prediction(pooled),
            vil_logit=self.vil_logit(pooled),
            vil_binary_prediction=self.cls.bi_seq_relationship(pooled),
            vision_prediction=self.cls.imagePredictions(image),
            vision_logit=self._vision_logit(image, inputs).unsqueeze(-1),
            linguisic_prediction=self.cls.predictions(text),
            linguisic_logit=self.linguisic_logit(self.dropout(text)),
        )

    def _vision_logit(self, image: Tensor, inputs: Inputs) -> Tensor:
        rows, mask = inputs.image_rows, inputs.region_mask
        logits = rows.score(rows.dropout(image, self.dropout), self.vision_logit)  # (B, R)
        return logits if mask is None else logits + (1.0 - mask) * MASKED


def unused_prefixes(config: ModelConfig) -> tuple[str, ...]:
    """Beginnings of the names that `region_logits` never touches.

    What follows the last meeting in the text stream, the other heads, and the projections that no head uses.
    """
    last = len(config.v_biattention_id) - 1
    text_after = range(config.t_biattention_id[-1], config.num_hidden_layers)
    return (
        "bert.t_pooler.",
        "bert.v_pooler.",
        "cls.",
        "vil_prediction.",
        "vil_logit.",
        "linguisic_logit.",
        *(
            f"bert.encoder.c_layer.{met}.biOutput.q_dense{stream}."
            for met in range(last + 1)
            for stream in (1, 2)
        ),
        *(f"bert.encoder.c_layer.{last}.biattention.{part}." for part in ("query2", "key1", "value1")),
        *(f"bert.encoder.c_layer.{last}.biOutput.{part}." for part in ("dense2", "LayerNorm2")),
        *(f"bert.encoder.c_layer.{last}.{part}." for part in ("t_intermediate", "t_output")),
        *(f"bert.encoder.layer.{index}." for index in text_after),
    )
