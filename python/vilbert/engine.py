"""Which code scores regions on this machine: the kernels, the exported graph of the model, or Paddle's own operators."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import paddle

from vilbert import exported, kernel_library, kernels
from vilbert.errors import CheckpointError, MachineError
from vilbert.parallel import processes

# Seconds beside Paddle's own operators, from the full model (218 M numbers in its graph) and the golden one (0.6 M) on
# two cores without AVX-512. To check and load an engine and to lay out its weights takes 3 s more than to build the
# model, to export it first 15 s; an expression of 8 words and 20 regions then takes at least 65 ms less.
LOAD_SECONDS, LOAD_SECONDS_A_NUMBER = 0.5, 1.2e-8
EXPORT_SECONDS, EXPORT_SECONDS_A_NUMBER = 4.0, 5e-8
SAVED_SECONDS_A_NUMBER = 3e-10  # of each expression
EXPORT_WORTH = 2.0  # so many times its cost an export has to save, because it takes disk, too

Choice = Generator[dict[str, Any], None, dict[str, Any]]


def choose_engine(request: dict[str, Any]) -> Choice:
    """Says what answers to `request` are best computed with, as fields to add to it; yields how far an export is.

    Request: `config`, `weights` (tensor index), `enginesFolder` where exported engines are kept, and optionally
    `engine` ("auto", "kernels", "exported" or "stock"), `precision` ("fp32", "bf16" or "auto") and `questions`, how many
    there will be; many where it is not said. Raises a MachineError for what this machine cannot do, a CheckpointError
    where an engine that is needed cannot be written.
    """
    questions = request.get("questions")
    return (yield from chosen_engine(request, math.inf if questions is None else questions, may_export=False))


def chosen_engine(request: dict[str, Any], expressions: float, *, may_export: bool) -> Choice:
    """The same for so many expressions; where it `may_export`, `auto` does where that pays."""
    wanted, precision = request.get("engine", "auto"), request.get("precision", "fp32")
    if wanted == "auto":
        return (yield from _fastest(request, precision, expressions, may_export))
    _check_fit(wanted)
    precision = computed_precision(wanted, precision)
    return (yield from _exported(request, precision)) if wanted == "exported" else _choice(wanted, precision)


def _check_fit(engine: str) -> None:
    """Raises a MachineError where an engine cannot be used here."""
    reason = _unfit_because(engine)
    if reason is not None:
        what, next = _REFUSED[engine]
        raise MachineError(f"{what} cannot be used here: {reason}.", next)


_REFUSED = {
    "kernels": (
        "The kernels",
        "Run `vilbert-ts setup`, which builds them, or use --engine auto; `vilbert-ts doctor` says what is missing.",
    ),
    "exported": ("The exported engine", "Use --engine auto, which takes the fastest that there is."),
}


def fastest_dynamic() -> str:
    """The faster of the engines that compute with the model as it is in memory."""
    return "kernels" if kernels.are_available() else "stock"


def precisions_of(engine: str) -> list[str]:
    """The number formats that an engine (`auto`: the faster dynamic one) has here. Raises a MachineError for an engine that cannot be used."""
    _check_fit(engine)
    engine = fastest_dynamic() if engine == "auto" else engine
    return ["fp32", "bf16"] if computed_precision(engine, "auto") == "bf16" else ["fp32"]


def computed_precision(engine: str, precision: str) -> str:
    """The number format of an engine's products; `auto` is the fastest. Raises a MachineError for bf16 without hardware."""
    has_bfloat16 = {
        "kernels": kernels.has_bfloat16,
        "exported": kernel_library.processor_has_bfloat16,
        "stock": lambda: paddle.device.get_device() != "cpu" and paddle.amp.is_bfloat16_supported(),
    }[engine]()
    if precision == "bf16" and not has_bfloat16:
        raise MachineError(
            "bf16 needs a processor with AMX or AVX512-BF16 and one of the engines kernels and exported, or a GPU "
            "that computes in it.",
            "Use --precision fp32, or auto for the fastest; vilbert-ts doctor says what is missing.",
        )
    if precision == "auto":
        return "bf16" if has_bfloat16 else "fp32"
    return precision


def _unfit_because(engine: str) -> str | None:
    if engine == "kernels":
        return kernel_library.unfit_because()
    return exported.unfit_because() if engine == "exported" else None


def _fastest(request: dict[str, Any], precision: str, expressions: float, may_export: bool) -> Choice:
    engine = fastest_dynamic()
    if engine == "kernels" or not _may_use_exported(request):
        return _choice(engine, computed_precision(engine, precision))
    format = computed_precision("exported", precision)
    if precision == "bf16":  # nothing else has it here
        return (yield from _exported(request, format))
    numbers, folder = exported.numbers_in_graph(request["config"], request["weights"]), _folder(request)
    if loading_pays(numbers, expressions) and exported.is_whole(folder):
        return _known(folder, format)
    if not (may_export and exporting_pays(numbers, expressions)):
        return _choice(engine, "fp32")
    try:
        return (yield from _new(folder, request, format))
    except CheckpointError as error:
        return _choice(engine, "fp32", note=f"Paddle's own operators compute, which is slower. {error}")


def _may_use_exported(request: dict[str, Any]) -> bool:
    has_folder = request.get("enginesFolder") is not None
    return has_folder and processes().count == 1 and _unfit_because("exported") is None


def loading_pays(numbers: int, expressions: float) -> bool:
    """Whether to load an engine of so many numbers for so many expressions saves time."""
    return _saved_seconds(numbers, expressions) > LOAD_SECONDS + LOAD_SECONDS_A_NUMBER * numbers


def exporting_pays(numbers: int, expressions: float) -> bool:
    """Whether to export it first saves enough time."""
    cost = EXPORT_SECONDS + EXPORT_SECONDS_A_NUMBER * numbers
    return _saved_seconds(numbers, expressions) > EXPORT_WORTH * cost


def _saved_seconds(numbers: int, expressions: float) -> float:
    return expressions * SAVED_SECONDS_A_NUMBER * numbers


def _exported(request: dict[str, Any], precision: str) -> Choice:
    folder = _folder(request)
    if exported.is_whole(folder):
        return _known(folder, precision)
    return (yield from _new(folder, request, precision))


def _folder(request: dict[str, Any]) -> Path:
    return exported.engine_folder(request["enginesFolder"], request["config"], request["weights"])


def _known(folder: Path, precision: str) -> dict[str, Any]:
    exported.note_use(folder)
    return _choice("exported", precision, folder=folder)


def _new(folder: Path, request: dict[str, Any], precision: str) -> Choice:
    yield from exported.make_engine(folder, request["config"], request["weights"])
    return _choice("exported", precision, folder=folder)


def _choice(
    engine: str, precision: str, folder: Path | None = None, note: str | None = None
) -> dict[str, Any]:
    """`engineNote` says why a faster engine is not used, where that was tried."""
    return {
        "engine": engine,
        "precision": precision,
        "engineFolder": None if folder is None else str(folder),
        "engineNote": note,
    }
