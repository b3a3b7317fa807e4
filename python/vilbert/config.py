"""The model's configuration, with the keys of the published JSON files."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and rates of a two-stream ViLBERT; the command line has validated them (src/config/model.ts)."""

    vocab_size: int = 30522
    hidden_size: int = 768  # D_t, text stream
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02

    v_feature_size: int = 2048
    v_target_size: int = 1601
    v_hidden_size: int = 1024  # D_v, image stream
    v_num_hidden_layers: int = 6
    v_num_attention_heads: int = 8
    v_intermediate_size: int = 1024
    v_hidden_act: str = "gelu"
    v_hidden_dropout_prob: float = 0.1
    v_attention_probs_dropout_prob: float = 0.1
    v_initializer_range: float = 0.02

    bi_hidden_size: int = 1024  # D_b, where the streams meet
    bi_num_attention_heads: int = 8
    bi_intermediate_size: int = 1024
    bi_attention_type: int = 1
    v_biattention_id: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    t_biattention_id: tuple[int, ...] = (6, 7, 8, 9, 10, 11)
    fixed_t_layer: int = 0  # that many first text layers run without gradient
    fixed_v_layer: int = 0
    pooling_method: str = "mul"
    fusion_method: str = "mul"
    head_dropout_prob: float = (
        0.1  # before the linear heads; fixed in the published code, not a key of its files
    )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelConfig:
        """Builds the config; unknown keys are left to the command line's check."""
        known = {field.name for field in fields(cls)}
        kept = {key: value for key, value in values.items() if key in known}
        for key in ("v_biattention_id", "t_biattention_id"):
            if key in kept:
                kept[key] = tuple(kept[key])
        return cls(**kept)

    def with_dropout(self, rate: float) -> ModelConfig:
        """The same model with one rate for every dropout (0 turns them all off, those of the heads too)."""
        return replace(
            self,
            hidden_dropout_prob=rate,
            attention_probs_dropout_prob=rate,
            v_hidden_dropout_prob=rate,
            v_attention_probs_dropout_prob=rate,
            head_dropout_prob=rate,
        )
