"""The optimizer and its schedule: what the published 72.71 % came from, and the usual way beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor, nn

# The published code looks for "linguistic_logit", but the parameter is spelt "linguisic_logit":
# that head therefore learns at the body's rate. It is kept so, as part of the recipe.
HEAD_NAMES = ("vil_prediction", "vil_logit", "vision_logit", "linguistic_logit")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def is_head(name: str) -> bool:
    """Whether a parameter learns at the head's rate."""
    return any(part in name for part in HEAD_NAMES)


def is_decayed(name: str, recipe: str) -> bool:
    """Whether weight decay applies. `seed` decays biases and layer norms only (its test is inverted)."""
    is_bias_or_norm = name.endswith(".bias") or "LayerNorm" in name
    return is_bias_or_norm if recipe == "seed" else not is_bias_or_norm


@dataclass(frozen=True)
class Schedule:
    """Factor on both rates: linear warm-up, then 1, then a tenth less from each of `decay_steps` on."""

    warmup_steps: int
    decay_steps: Sequence[int]

    def factor(self, step: int) -> float:
        """The factor of 1-based `step`; the first step already uses 1 / warm-up."""
        if step < self.warmup_steps:
            return step / self.warmup_steps
        return 0.1 ** sum(step >= boundary for boundary in self.decay_steps)


@dataclass(frozen=True)
class Rates:
    """Learning rates of one step."""

    body: float
    head: float


class Optimizer:
    """AdamW over four groups: body or head, decayed or not."""

    def __init__(
        self,
        named: Sequence[tuple[str, Tensor]],
        *,
        recipe: str,
        weight_decay: float,
        clip_value: float | None,
    ) -> None:
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, parameter in named:
            groups.setdefault((is_head(name), is_decayed(name, recipe)), []).append(parameter)
        grouped = [parameter.name for parameters in groups.values() for parameter in parameters]
        assert sorted(grouped) == sorted(parameter.name for _, parameter in named), (
            "each parameter is in one group"
        )
        self._names = {parameter.name: name for name, parameter in named}
        self._groups = {key: {p.name for p in parameters} for key, parameters in groups.items()}
        clip = nn.ClipGradByValue(clip_value) if clip_value else None
        self._optimizers = {
            (head, decayed): paddle.optimizer.AdamW(
                learning_rate=0.0,
                parameters=parameters,
                weight_decay=weight_decay if decayed else 0.0,
                beta1=BETA1,
                beta2=BETA2,
                epsilon=EPSILON,
                grad_clip=clip,
            )
            for (head, decayed), parameters in groups.items()
        }

    def step(self, rates: Rates) -> None:
        """Applies the gradients and clears them."""
        for (head, _), optimizer in self._optimizers.items():
            optimizer.set_lr(rates.head if head else rates.body)
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """The moments of every parameter, named `<parameter>/<moment>`, to be saved."""
        for optimizer in self._optimizers.values():
            for key, tensor in sorted(optimizer.state_dict().items()):
                parameter = self._owner(key)
                yield f"{self._names[parameter]}/{key[len(parameter) + 1 :]}", tensor.numpy()

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes back what `arrays` gave."""
        paddle_names = {name: paddle_name for paddle_name, name in self._names.items()}
        for key_of_group, optimizer in self._optimizers.items():
            own = self._groups[key_of_group]
            state = {}
            for key in arrays:
                name, moment = key.rsplit("/", 1)
                if paddle_names[name] in own:
                    state[f"{paddle_names[name]}_{moment}"] = paddle.to_tensor(
                        np.ascontiguousarray(arrays[key])
                    )
            optimizer.set_state_dict(state)

    def _owner(self, key: str) -> str:
        # Paddle joins the parameter's own name and the moment's by an underline, which both contain.
        return max((name for name in self._names if key.startswith(f"{name}_")), key=len)
