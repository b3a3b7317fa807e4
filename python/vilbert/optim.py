"""The optimizer and its schedule: what the published 72.71 % came from, and the usual way beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import paddle
from paddle import Tensor, nn

from vilbert import kernels
from vilbert.packed import LoweredWeights
from vilbert.views import new_zeros, numbers_of

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


class RateFactors(Protocol):
    """What the rates are multiplied by as a run goes on."""

    @property
    def warmup_steps(self) -> int:
        """Steps in which the factor rises."""
        ...

    def factor(self, step: int) -> float:
        """The factor of 1-based `step`."""
        ...


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


@dataclass(frozen=True)
class OptimizerSettings:
    """What does not change during a run."""

    recipe: str  # "seed" or "corrected": which parameters are decayed
    weight_decay: float
    clip_value: float | None  # gradients are cut to ± this value first


class Optimizer(Protocol):
    """AdamW, with a rate for the body and one for the head, and decay for some of the parameters."""

    def begin(self, rates: Rates) -> None:
        """Makes ready for a step at these rates; nothing has changed yet."""
        ...

    def finish(self) -> None:
        """Applies the gradients and clears them: the end of a step."""
        ...

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """The moments of every parameter, named `<parameter>/<moment>`, to be saved."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes back what `arrays` gave."""
        ...


class StockOptimizer:
    """Paddle's AdamW over four groups: body or head, decayed or not."""

    def __init__(self, named: Sequence[tuple[str, Tensor]], settings: OptimizerSettings) -> None:
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, parameter in named:
            groups.setdefault((is_head(name), is_decayed(name, settings.recipe)), []).append(parameter)
        grouped = [parameter.name for parameters in groups.values() for parameter in parameters]
        assert sorted(grouped) == sorted(parameter.name for _, parameter in named), (
            "each parameter is in one group"
        )
        self._names = {parameter.name: name for name, parameter in named}
        self._groups = {key: {p.name for p in parameters} for key, parameters in groups.items()}
        clip = nn.ClipGradByValue(settings.clip_value) if settings.clip_value else None
        self._optimizers = {
            (head, decayed): paddle.optimizer.AdamW(
                learning_rate=0.0,
                parameters=parameters,
                weight_decay=settings.weight_decay if decayed else 0.0,
                beta1=BETA1,
                beta2=BETA2,
                epsilon=EPSILON,
                grad_clip=clip,
            )
            for (head, decayed), parameters in groups.items()
        }

    def begin(self, rates: Rates) -> None:
        """Sets the rate of every group."""
        for (head, _), optimizer in self._optimizers.items():
            optimizer.set_lr(rates.head if head else rates.body)

    def finish(self) -> None:
        """One step of every group."""
        for optimizer in self._optimizers.values():
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Moments in the names that Paddle gives them, as float32."""
        for optimizer in self._optimizers.values():
            for key, tensor in sorted(optimizer.state_dict().items()):
                parameter = self._owner(key)
                yield f"{self._names[parameter]}/{key[len(parameter) + 1 :]}", numbers_of(tensor)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Gives each moment back to the group of its parameter."""
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


class FusedOptimizer:
    """The same AdamW in one pass over memory by the kernels; its arrays are those of `StockOptimizer`.

    `lowered` are the bfloat16 copies of weights that are to follow the weights.
    """

    def __init__(
        self,
        named: Sequence[tuple[str, Tensor]],
        settings: OptimizerSettings,
        *,
        lowered: LoweredWeights | None,
    ) -> None:
        self._named = named
        self._names = {parameter.name: name for name, parameter in named}  # by Paddle's own names
        self._decays = {
            name: settings.weight_decay if is_decayed(name, settings.recipe) else 0.0 for name, _ in named
        }
        self._sizes = {name: int(parameter.size) for name, parameter in named}
        self._heads = {name for name, _ in named if is_head(name)}
        self._clip_value = settings.clip_value
        self._lowered = lowered
        self._moments = {name: (new_zeros(p.shape), new_zeros(p.shape)) for name, p in named}
        self._steps = 0  # that are finished
        self._rates = Rates(0.0, 0.0)
        self._settings: kernels.AdamSettings | None = None  # of the step under way
        self._taken: set[str] = set()
        self._moving: dict[str, np.ndarray] = {}  # of tables: which rows (P,) have moments

    def begin(self, rates: Rates) -> None:
        """From here on, `take` may change parameters."""
        self._rates = rates
        self._taken.clear()
        self._settings = kernels.AdamSettings(
            BETA1,
            BETA2,
            EPSILON,
            self._clip_value or 0.0,
            1 - BETA1 ** (self._steps + 1),
            1 - BETA2 ** (self._steps + 1),
        )

    def take(self, gradients: Iterable[tuple[Tensor, kernels.Numbers]]) -> None:
        """Applies whole gradients of parameters before the end of their step, which then leaves these alone."""
        assert self._settings is not None, "a step has begun"
        taken = [self._tensor(self._change(each), each, gradient) for each, gradient in gradients]
        kernels.adam_step(taken, self._settings)

    def take_rows(self, table: Tensor, rows: np.ndarray, gradients: np.ndarray) -> None:
        """The same for a gradient that is zero but for some rows.

        Rows that never had one stay as they are, unless they decay: no step would change them, nor their moments.
        """
        assert self._settings is not None, "a step has begun"
        name = self._change(table)
        if name not in self._moving:
            self._moving[name] = _rows_with_moments(*self._moments[name])
        self._moving[name][rows] = True
        own = self._tensor(name, table, None)
        kernels.adam_step_of_rows(own, self._moving[name], rows, gradients, self._settings)

    def _change(self, parameter: Tensor) -> str:
        """The name of a parameter, which changes only this once in the step."""
        name = self._names[parameter.name]
        assert name not in self._taken, f"{name} was changed in this step already"
        self._taken.add(name)
        return name

    def finish(self) -> None:
        """One step of every parameter that `take` has left, in one call of the kernels."""
        assert self._settings is not None, "a step has begun"
        left = [(name, parameter) for name, parameter in self._named if name not in self._taken]
        kernels.adam_step([self._tensor(name, each, each.grad) for name, each in left], self._settings)
        for name, parameter in left:
            parameter.clear_gradient(set_to_zero=False)
            self._moving.pop(name, None)
        self._steps, self._settings = self._steps + 1, None

    def _tensor(self, name: str, parameter: Tensor, gradient: kernels.Numbers | None) -> kernels.AdamTensor:
        return kernels.AdamTensor(
            self._sizes[name],
            parameter.data_ptr(),
            kernels.address(gradient),
            *(moment.data_ptr() for moment in self._moments[name]),
            kernels.address(self._lowered.known(parameter) if self._lowered else None),
            self._rates.head if name in self._heads else self._rates.body,
            self._decays[name],
        )

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Moments in the names of `StockOptimizer`, so that either goes on from the other's."""
        powers = [np.array([beta**self._steps], np.float32) for beta in (BETA1, BETA2)]
        for name, moments in self._moments.items():
            for number, (power, moment) in enumerate(zip(powers, moments), start=1):
                yield f"{name}/beta{number}_pow_acc_0", power
                yield f"{name}/moment{number}_0", numbers_of(moment)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes moments back, and from them how many steps were taken."""
        self._moving.clear()
        for name, moments in self._moments.items():
            if f"{name}/moment1_0" not in arrays:
                continue  # it never had a gradient
            for number, moment in enumerate(moments, start=1):
                moment.set_value(np.ascontiguousarray(arrays[f"{name}/moment{number}_0"]))
            self._steps = _steps_of(float(arrays[f"{name}/beta2_pow_acc_0"].reshape(-1)[0]))


def _rows_with_moments(*moments: Tensor) -> np.ndarray:
    return np.any([numbers_of(each).view(np.uint32).any(axis=1) for each in moments], axis=0)


def _steps_of(power: float) -> int:
    """How many steps made BETA2 to that power; once it is 0, more of them make no difference."""
    return round(math.log(power) / math.log(BETA2)) if power > 0 else 10**9
