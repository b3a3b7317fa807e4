"""The exported engine: the numbers of Paddle's own operators, made once, whole or not there, and no more than three."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Golden, finish
from vilbert import engine, exported, kernel_library, kernels
from vilbert.config import ModelConfig
from vilbert.dataset import ReferringDataset, open_split
from vilbert.errors import CheckpointError, MachineError
from vilbert.evaluate import evaluate
from vilbert.exported_scorer import ExportedScorer, inference_config
from vilbert.own_process import own_process
from vilbert.parallel import Processes
from vilbert.predict import predict
from vilbert.scorer import StockScorer
from vilbert.session import build_model, open_model

pytestmark = pytest.mark.skipif(exported.unfit_because() is not None, reason="Paddle has no oneDNN here")


@pytest.fixture(scope="session")
def engines(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the engine of the golden checkpoint."""
    folder = tmp_path_factory.mktemp("engines")
    finish(engine.choose_engine(golden.request(engine="exported", enginesFolder=str(folder))))
    return folder


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which they were never built."""
    monkeypatch.setattr(kernel_library, "_library", lambda: "there is no compiler")


def engine_folder(golden: Golden, engines: Path) -> Path:
    return exported.engine_folder(str(engines), golden.config, golden.weights)


ROWS = [[0], [3, 0, 7, 2, 5], list(range(12))]


def check_scores(one: ExportedScorer, other: StockScorer, dataset: ReferringDataset) -> None:
    for rows in ROWS:
        for logits, wanted in zip(one.logits(dataset, rows), other.logits(dataset, rows)):
            assert logits.shape == wanted.shape
            assert logits.dtype == np.float32
            np.testing.assert_allclose(logits, wanted, rtol=0, atol=2e-5)


def test_scores_are_those_of_the_stock_operators(golden: Golden, engines: Path) -> None:
    scorer = ExportedScorer(engine_folder(golden, engines), ModelConfig.from_json(golden.config), "fp32")
    dataset = open_split(golden.data, "train", golden.vocabulary)
    check_scores(scorer, StockScorer(open_model(golden.config, golden.weights)), dataset)


def test_any_number_of_expressions_tokens_and_regions(golden: Golden, engines: Path) -> None:
    config = ModelConfig.from_json(golden.config)
    scorer = ExportedScorer(engine_folder(golden, engines), config, "fp32")
    stock = StockScorer(open_model(golden.config, golden.weights))
    dataset = open_split(golden.data, "val", golden.vocabulary)
    random = np.random.Generator(np.random.Philox(5))
    some = dataset.batch([0])
    for expressions, tokens, regions in [(1, 1, 1), (1, 3, 1), (3, 1, 7), (5, 20, 100), (2, 13, 41)]:
        token_counts = random.integers(1, tokens + 1, expressions)
        region_counts = random.integers(1, regions + 1, expressions)
        token_counts[0], region_counts[0] = tokens, regions
        is_token = np.arange(tokens) < token_counts[:, None]
        is_region = np.arange(regions) < region_counts[:, None]
        batch = type(some)(
            rows=list(range(expressions)),
            tokens=random.integers(0, config.vocab_size, (expressions, tokens)),
            token_mask=is_token.astype(np.float32),
            features=random.random((expressions, regions, config.v_feature_size), np.float32),
            locations=random.random((expressions, regions, 5), np.float32),
            region_mask=is_region.astype(np.float32),
            targets=np.zeros((expressions, regions), np.float32),
            region_counts=region_counts.tolist(),
        )
        for logits, wanted in zip(scorer.score(batch), stock.score(batch)):
            np.testing.assert_allclose(logits, wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"fixed_t_layer": 1, "fixed_v_layer": 1},
        {"hidden_act": "relu", "v_hidden_act": "swish"},
        {"v_biattention_id": [1, 2], "v_num_hidden_layers": 3},
    ],
    ids=["frozen layers", "other activations", "meetings behind an image layer"],
)
def test_every_configuration_can_be_exported(golden: Golden, tmp_path: Path, change: dict[str, Any]) -> None:
    values = {**golden.config, **change}
    folder = tmp_path / "engine"
    for _ in exported.make_engine(folder, values, None):
        pass
    config = ModelConfig.from_json(values)
    model = build_model(config, None, seed=0)
    model.eval()
    dataset = open_split(golden.data, "train", golden.vocabulary)
    check_scores(ExportedScorer(folder, config, "fp32"), StockScorer(model), dataset)


def test_batches_of_one_shape_follow_each_other(golden: Golden, engines: Path) -> None:
    scorer = ExportedScorer(engine_folder(golden, engines), ModelConfig.from_json(golden.config), "fp32")
    dataset = open_split(golden.data, "train", golden.vocabulary)
    batches = scorer.batches(dataset, 4)
    assert sorted(row for batch in batches for row in batch) == list(range(len(dataset)))
    shapes = [scorer.assemble(dataset, batch).region_mask.shape[1] for batch in batches]
    assert shapes == sorted(shapes, reverse=True)
    assert all(size % 4 == 0 for size in shapes)


def test_an_engine_is_made_once_and_the_model_is_not_loaded_then(
    golden: Golden, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = golden.request(engine="exported", enginesFolder=str(engines), split="val", batchSize=8)
    monkeypatch.setattr("vilbert.scorer.open_model", lambda *_: pytest.fail("the model was loaded"))
    events, result = finish(evaluate(request))
    assert [event["type"] for event in events] == ["progress"]
    assert (result["engine"], result["precision"], result["engineNote"]) == ("exported", "fp32", None)
    assert [path.name for path in engines.iterdir()] == [engine_folder(golden, engines).name]


def test_predict_gives_the_answers_of_the_stock_operators(golden: Golden, engines: Path) -> None:
    data = {key: golden.data[key] for key in ("detectedFile", "detectedSource")}
    image = open_split(golden.data, "val", golden.vocabulary).expressions[0].image_id
    asked = {**golden.request(**data), "imageId": image, "phrases": ["man in red", "it"], "topK": 3}
    _, chosen = finish(engine.choose_engine({**asked, "engine": "exported", "enginesFolder": str(engines)}))
    one, other = predict({**asked, **chosen}), predict({**asked, "engine": "stock"})
    assert (one["engine"], other["engine"]) == ("exported", "stock")
    for answer, wanted in zip(one["answers"], other["answers"]):
        assert [each["index"] for each in answer["regions"]] == [each["index"] for each in wanted["regions"]]


@pytest.mark.parametrize("damage", ["cut weights", "a flipped bit", "no note", "a note that is no JSON"])
def test_an_engine_that_is_not_whole_is_made_again(golden: Golden, engines: Path, damage: str) -> None:
    folder = engine_folder(golden, engines)
    weights, note = folder / exported.WEIGHTS, folder / exported.NOTE
    content = weights.read_bytes()
    if damage == "cut weights":
        weights.write_bytes(content[:-1])
    elif damage == "a flipped bit":
        weights.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif damage == "no note":
        note.unlink()
    else:
        note.write_text("[]")
    assert not exported.is_whole(folder)
    events, _ = finish(engine.choose_engine(golden.request(engine="exported", enginesFolder=str(engines))))
    assert [(event["done"], event["total"]) for event in events] == [(done, 3) for done in range(4)]
    assert exported.is_whole(folder)
    assert weights.read_bytes() == content


def test_another_checkpoint_has_another_engine(golden: Golden, tmp_path: Path) -> None:
    first = exported.engine_folder("engines", golden.config, golden.weights)
    copy = tmp_path / "weights.pdparams"
    copy.write_bytes(Path(golden.weights["file"]).read_bytes())
    os.utime(copy, ns=(0, 0))
    changed = exported.engine_folder("engines", golden.config, {**golden.weights, "file": str(copy)})
    configured = exported.engine_folder("engines", {**golden.config, "hidden_act": "relu"}, golden.weights)
    assert len({first, changed, configured}) == 3


def test_a_killed_export_leaves_nothing_that_is_used(golden: Golden, tmp_path: Path) -> None:
    folder = tmp_path / "engines" / "key"
    job = {"config": golden.config, "weights": golden.weights, "folder": str(folder)}
    with own_process("vilbert.exported", job) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the model is there, and the folder of its graph
        process.kill()
    [left] = folder.parent.iterdir()
    assert left.name.startswith(".key.")
    assert not exported.is_whole(folder)
    for _ in exported.make_engine(folder, golden.config, golden.weights):
        pass
    assert [path.name for path in folder.parent.iterdir()] == ["key"]
    assert exported.is_whole(folder)


def test_two_that_export_the_same_at_once_both_have_it(golden: Golden, tmp_path: Path) -> None:
    folder = tmp_path / "engines" / "key"
    slow = exported.export(folder, golden.config, golden.weights)
    next(slow)
    list(exported.export(folder, golden.config, golden.weights))
    assert len(list(slow)) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["key"]
    assert exported.is_whole(folder)


def test_an_export_that_is_left_ends_its_process(golden: Golden, tmp_path: Path) -> None:
    folder = tmp_path / "engines" / "key"
    work = exported.make_engine(folder, golden.config, golden.weights)
    assert next(work)["done"] == 0
    assert next(work)["done"] == 1
    work.close()
    assert not folder.exists()


def test_the_engines_that_were_used_last_are_kept(golden: Golden, tmp_path: Path) -> None:
    engines = tmp_path / "engines"
    for age, name in enumerate(["newest", "second", "third", "oldest"]):
        (engines / name).mkdir(parents=True)
        (engines / name / exported.NOTE).write_text("{}")
        os.utime(engines / name / exported.NOTE, (10**9 - age, 10**9 - age))
    exported.note_use(engines / "oldest")
    for _ in exported.export(engines / "made", golden.config, golden.weights):
        pass
    assert sorted(path.name for path in engines.iterdir()) == ["made", "newest", "oldest"]


def test_a_folder_that_cannot_be_written_is_told_or_gone_around(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_kernels: None
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    request = golden.request(enginesFolder=str(file / "engines"))
    with pytest.raises(CheckpointError, match=r"cannot be written to .*file.*: Not a directory") as refused:
        finish(engine.choose_engine({**request, "engine": "exported"}))
    assert "--cache-dir" in str(refused.value.next)
    monkeypatch.setattr(engine, "exporting_pays", lambda *_: True)
    _, chosen = finish(engine.chosen_engine(request, 10, may_export=True))
    assert (chosen["engine"], chosen["precision"]) == ("stock", "fp32")
    assert "slower. The exported engine cannot be written" in chosen["engineNote"]


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 3 << 20})
    monkeypatch.setattr(exported.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CheckpointError, match=r"18 MiB are needed and 3 MiB free"):
        next(exported.export(tmp_path / "engines" / "key", golden.config, golden.weights))
    assert list((tmp_path / "engines").iterdir()) == []


@pytest.mark.skipif(not kernels.are_available(), reason="the kernels are not built")
def test_auto_takes_the_kernels_where_they_are(golden: Golden, engines: Path) -> None:
    _, chosen = finish(engine.choose_engine(golden.request(enginesFolder=str(engines))))
    assert (chosen["engine"], chosen["engineFolder"]) == ("kernels", None)


def test_auto_takes_an_engine_that_is_there_and_pays_else_the_stock_operators(
    golden: Golden, engines: Path, tmp_path: Path, no_kernels: None
) -> None:
    _, chosen = finish(engine.choose_engine(golden.request(enginesFolder=str(engines))))
    assert chosen["engine"] == "exported"
    _, chosen = finish(engine.choose_engine(golden.request(enginesFolder=str(engines), questions=3)))
    assert chosen["engine"] == "stock"
    _, chosen = finish(engine.choose_engine(golden.request(enginesFolder=str(tmp_path))))
    assert (chosen["engine"], list(tmp_path.iterdir())) == ("stock", [])


def test_an_engine_pays_for_many_expressions_of_a_large_model() -> None:
    full, demo = 218_000_000, 9_000_000
    assert [engine.loading_pays(full, expressions) for expressions in (1, 40, 50)] == [False, False, True]
    assert [engine.loading_pays(demo, expressions) for expressions in (200, 300)] == [False, True]
    assert [engine.exporting_pays(full, expressions) for expressions in (400, 500)] == [False, True]
    assert [engine.exporting_pays(demo, expressions) for expressions in (3000, 4000)] == [False, True]


def test_eval_exports_by_itself_where_that_pays(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_kernels: None
) -> None:
    request = golden.request(enginesFolder=str(tmp_path), split="val", batchSize=8)
    events, result = finish(evaluate(request))
    assert (result["engine"], {event["type"] for event in events}) == ("stock", {"progress"})
    monkeypatch.setattr(engine, "SAVED_SECONDS_A_NUMBER", 1.0)
    events, result = finish(evaluate(request))
    assert (result["engine"], {event["type"] for event in events}) == ("exported", {"export", "progress"})


def test_bf16_needs_no_kernels_where_the_processor_has_it(
    golden: Golden, engines: Path, monkeypatch: pytest.MonkeyPatch, no_kernels: None
) -> None:
    request = golden.request(enginesFolder=str(engines))
    monkeypatch.setattr(kernel_library, "processor_flags", lambda: frozenset({"avx512_bf16"}))
    for wanted in ({"engine": "exported"}, {"engine": "auto"}):
        for precision in ("bf16", "auto"):
            _, chosen = finish(engine.choose_engine({**request, **wanted, "precision": precision}))
            assert (chosen["engine"], chosen["precision"]) == ("exported", "bf16")
    with pytest.raises(MachineError, match="bf16 needs a processor with"):
        finish(engine.choose_engine({**request, "engine": "stock", "precision": "bf16"}))
    monkeypatch.setattr(kernel_library, "processor_flags", lambda: frozenset({"avx2"}))
    for wanted in ("exported", "auto", "stock"):
        with pytest.raises(MachineError, match="bf16 needs a processor with"):
            finish(engine.choose_engine({**request, "engine": wanted, "precision": "bf16"}))
    _, chosen = finish(engine.choose_engine({**request, "precision": "auto"}))
    assert (chosen["engine"], chosen["precision"]) == ("exported", "fp32")


def test_bf16_is_asked_of_inference(golden: Golden, engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    config = type(inference_config(engine_folder(golden, engines), "fp32"))
    monkeypatch.setattr(config, "enable_mkldnn_bfloat16", lambda _: asked.append("bf16"))
    for precision in ("fp32", "bf16"):
        assert inference_config(engine_folder(golden, engines), precision).mkldnn_enabled()
    assert asked == ["bf16"]


def test_what_cannot_be_used_is_refused(
    golden: Golden, engines: Path, monkeypatch: pytest.MonkeyPatch, no_kernels: None
) -> None:
    request = golden.request(enginesFolder=str(engines))
    with pytest.raises(MachineError, match="The kernels cannot be used here: there is no compiler"):
        finish(engine.choose_engine({**request, "engine": "kernels"}))
    monkeypatch.setattr(engine, "processes", lambda: Processes(count=2))
    _, chosen = finish(engine.choose_engine(request))
    assert chosen["engine"] == "stock"  # it computes in one process
    monkeypatch.setattr("paddle.device.get_device", lambda: "gpu:0")
    with pytest.raises(MachineError, match="cannot be used here: Paddle computes on gpu:0"):
        finish(engine.choose_engine({**request, "engine": "exported"}))
