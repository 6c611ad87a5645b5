"""The plain loop ends with the same weights however often it was interrupted, and keeps its head when a loss is not finite."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from m3n.config import AugmentConfig, LossConfig, ModelConfig, OptimConfig, PretrainConfig, WindowsConfig
from m3n.data.corpora import Mixture
from m3n.data.window_store import WindowStore
from m3n.errors import InputError, StoppedError
from m3n.io.storage import TEMPORARY
from m3n.training import checkpoint as checkpoints
from m3n.training.pretrain import Loop, Run, batch_sampler, pretrain
from m3n.training.state import LAST, read_header

OFF = AugmentConfig(turn_rad=0, tilt_rad=0, scale=0, noise=0, mask=0, placement_dropout=0)


@pytest.fixture(scope="module")
def store(window_store, tmp_path_factory) -> WindowStore:
    """48 training and 8 validation windows in three shards."""
    return window_store(tmp_path_factory.mktemp("noise"), clips=28, shards=3, val_share=4 / 28)


def settings(optim: dict | None = None, **changes) -> PretrainConfig:
    return PretrainConfig(
        windows=WindowsConfig(window_s=1.0, rate_hz=40, pose_fps=10),
        model=ModelConfig(width=16, depth=1, embedding=8, dropout=0.1),
        optim=OptimConfig(**({"batch_size": 12, "epochs": 3, "lr": 3e-3} | (optim or {}))),
        workers=1,
        **changes,
    )


def train(store: WindowStore, config: PretrainConfig, folder: Path, stop_after: int | None = None, reader=None) -> list[dict]:
    """Metrics of the epochs; `stop_after`: asked to stop after so many steps."""
    folder.mkdir(exist_ok=True)
    metrics: list[dict] = []
    steps = iter(range(10**6))
    asked = (lambda: next(steps) + 1 == stop_after) if stop_after else (lambda: False)
    run = Run(folder, {"fingerprint": "x"}, lambda epoch, values: metrics.append(values), asked)
    sampler = batch_sampler(store, config)
    pretrain(sampler, config, run, reader(sampler) if reader else None)
    return metrics


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(store, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("run") / "whole"
    assert len(train(store, settings(), folder)) == 3
    return results(folder)


def test_a_run_leaves_the_best_checkpoint_and_the_last_state(undisturbed):
    assert set(undisturbed) == {checkpoints.WEIGHTS, checkpoints.DESCRIPTION, LAST}


@pytest.mark.parametrize("stops", [[1], [4], [5], [12], [3, 1, 2, 1]], ids=str)
def test_interrupted_at_any_step_it_ends_with_the_same_bytes(store, undisturbed, tmp_path, stops):
    """Four steps an epoch: within one, at the end of one, at the beginning of one, at the very end, and again and again."""
    for stop in stops:
        with pytest.raises(StoppedError, match="stopped in epoch") as stopped:
            train(store, settings(), tmp_path / "run", stop_after=stop)
        assert stopped.value.status == 143
    train(store, settings(), tmp_path / "run")
    assert results(tmp_path / "run") == undisturbed


def test_killed_between_two_states_it_goes_on_from_the_first(store, undisturbed, tmp_path):
    """A run that dies without a word leaves the state of the end of its last epoch, and perhaps half a new one."""
    with pytest.raises(ZeroDivisionError):
        train(store, settings(), tmp_path / "run", reader=lambda sampler: lambda chunks: dying(sampler, chunks))
    assert read_header(tmp_path / "run" / LAST)["progress"]["epoch"] == 1
    torn = tmp_path / "run" / f".{LAST}.0{TEMPORARY}"  # which the next command into the folder takes away
    torn.write_bytes(b"half")
    train(store, settings(), tmp_path / "run")
    torn.unlink()
    assert results(tmp_path / "run") == undisturbed


def dying(sampler, chunks):
    for number, chunk in enumerate(chunks):
        if number == 2:  # the first epoch is one chunk to train on and one to validate
            1 / 0  # noqa: B018
        yield sampler.load(chunk)


def test_a_finished_run_has_nothing_left_to_do(store, undisturbed, tmp_path):
    (tmp_path / "run").mkdir()
    for name, content in undisturbed.items():
        (tmp_path / "run" / name).write_bytes(content)
    assert train(store, settings(), tmp_path / "run") == []
    assert results(tmp_path / "run") == undisturbed


def test_the_state_is_numbers_and_words_only(undisturbed, tmp_path):
    (tmp_path / "state").write_bytes(undisturbed[LAST])
    header = read_header(tmp_path / "state")
    assert header["fingerprint"] == "x"
    assert [epoch["train/skipped_steps"] for epoch in header["progress"]["history"]] == [0, 0, 0]
    names = set(load_file(tmp_path / "state"))
    weights = {name for name in names if name.startswith("model/")}
    assert {name.split("/")[-1] for name in names - weights} == {"step", "exp_avg", "exp_avg_sq"}


def test_training_lowers_the_loss_and_the_best_epoch_is_kept(store, tmp_path):
    still = AugmentConfig(
        **dict.fromkeys(("turn_rad", "tilt_rad", "warp", "scale", "noise", "mask", "low_rate", "placement_dropout"), 0.0)
    )
    metrics = train(store, settings({"epochs": 20, "lr": 1e-2}, augment=still), tmp_path / "run")
    assert metrics[-1]["train/loss"] < 0.8 * metrics[0]["train/loss"]
    best = min(range(20), key=lambda i: metrics[i]["val/loss"])
    header = read_header(tmp_path / "run" / LAST)
    assert header["progress"]["best"] == metrics[best]["val/loss"]
    assert header["progress"]["since_best"] == 19 - best


def test_training_stops_when_validation_has_not_become_better(store, tmp_path):
    metrics = train(store, settings({"epochs": 40, "patience": 2, "lr": 0.05}), tmp_path / "run")
    losses = [m["val/loss"] for m in metrics]
    assert len(losses) < 40
    assert np.argmin(losses) == len(losses) - 3


# losses that are not finite


def broken(sampler, at: set[int]):
    """A reader with NaN in the signals of certain training batches."""

    def read(chunks):
        count = 0
        for chunk in chunks:
            block = sampler.load(chunk)
            if chunk.part == "train":
                for i in range(len(chunk.spans)):
                    if count in at:
                        block["imu"][i * sampler.batch : (i + 1) * sampler.batch] = np.nan
                    count += 1
            yield block

    return read


def test_a_step_with_a_loss_that_is_not_finite_is_left_out_and_counted(store, tmp_path):
    metrics = train(store, settings(), tmp_path / "run", reader=lambda sampler: broken(sampler, {1, 2, 6}))
    assert [m["train/skipped_steps"] for m in metrics] == [2, 1, 0]
    assert all(math.isfinite(value) for m in metrics for value in m.values())
    assert all(torch.isfinite(w).all() for w in load_file(tmp_path / "run" / LAST).values())


def test_too_many_in_a_row_end_the_run_and_the_best_checkpoint_is_kept(store, tmp_path):
    config = settings({"max_skipped": 2})
    with pytest.raises(
        StoppedError, match=r"not finite in 3 steps in a row \(epoch 2, step 3 of 4\): lower optim.lr"
    ) as stopped:
        train(store, config, tmp_path / "run", reader=lambda sampler: broken(sampler, {4, 5, 6, 7}))
    assert str(tmp_path / "run") in stopped.value.message
    one = settings({"epochs": 3})
    train_first = tmp_path / "first"
    with pytest.raises(StoppedError):
        train(store, one, train_first, stop_after=5)
    kept, expected = (load_file(folder / checkpoints.WEIGHTS) for folder in (tmp_path / "run", train_first))
    assert all(kept[name].equal(expected[name]) for name in expected)


def test_a_run_that_never_had_a_good_epoch_is_a_mistake_in_the_settings(store, tmp_path):
    with pytest.raises(InputError, match=r"not finite in 2 steps in a row .*lower optim\.lr"):
        train(store, settings({"max_skipped": 1}), tmp_path / "run", reader=lambda sampler: broken(sampler, {0, 1}))


# the optimiser


def test_accumulated_batches_take_the_step_of_one_large_batch_where_windows_are_not_contrasted(store, tmp_path):
    """Pose2IMU is a mean over windows; contrastive losses are not, because each batch only knows its own negatives."""
    weights = []
    for name, optim in (("large", {"batch_size": 24}), ("small", {"batch_size": 12, "accumulate": 2})):
        alone = dict.fromkeys(LossConfig().weights, 0.0) | {"pose2imu": 1.0}
        config = settings(optim | {"epochs": 1}, loss=LossConfig(**alone), augment=OFF)
        config = config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.0})})
        train(store, config, tmp_path / name)
        weights.append(load_file(tmp_path / name / LAST))
    for name, value in weights[0].items():
        if name.startswith("model/pose"):
            np.testing.assert_allclose(weights[1][name], value, atol=2e-5, err_msg=name)


def test_what_does_not_fill_an_accumulated_step_is_left_out(store, tmp_path):
    metrics = train(store, settings({"accumulate": 3, "epochs": 2}), tmp_path / "run")
    assert len(metrics) == 2
    assert read_header(tmp_path / "run" / LAST)["progress"]["history"][1]["train/loss"] == metrics[1]["train/loss"]
    with pytest.raises(InputError, match=r"optim\.accumulate is 5, but an epoch has 4 batches"):
        train(store, settings({"accumulate": 5}), tmp_path / "other")


def test_bf16_is_near_float32_and_losses_stay_float32(store, tmp_path):
    losses = []
    for precision in ("float32", "bf16"):
        config = settings({"precision": precision, "epochs": 1})
        losses.append(train(store, config, tmp_path / precision)[0]["train/loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    config = settings({"precision": "bf16"})
    loop = Loop(batch_sampler(store, config), config, Run(tmp_path, {}), lambda chunks: iter(()), torch.device("cpu"))
    block = loop.sampler.load(next(loop.sampler.chunks(0, 0, 1)))
    assert {value.dtype for value in loop.task.outputs(loop.make_batch(block)).values()} == {torch.float32}


def test_a_loss_that_is_off_leaves_its_parameters_to_weight_decay_alone(store, tmp_path):
    off = LossConfig(**dict.fromkeys(LossConfig().weights, 0.0) | {"pose2imu": 1.0})
    train(store, settings({"epochs": 1, "weight_decay": 0.0}, loss=off), tmp_path / "run")
    last = load_file(tmp_path / "run" / LAST)
    assert json.dumps(last["optimizer/model.text_projection.0.weight/exp_avg"].abs().max().item()) == "0.0"


# recordings beside clips


@pytest.fixture(scope="module")
def mixed(window_store, real_recordings, tmp_path_factory) -> WindowStore:
    """16 windows of clips, 16 of recordings, half of which are drawn in an epoch."""
    mixture = Mixture({"watch": 0.5}, ["watch"])
    return window_store(tmp_path_factory.mktemp("mixed"), 8, 2, 0.0, real_recordings, mixture=mixture)


MIXED = {"mix": {"watch": 0.5}, "mounting": {"unknown": ["watch"]}}


def test_recordings_are_learnt_from_and_an_interrupted_run_ends_with_the_same_bytes(mixed, tmp_path):
    config = settings({"batch_size": 8}, **MIXED)
    metrics = train(mixed, config, tmp_path / "whole")
    assert set(config.loss.weights) == {name.removeprefix("train/loss/") for name in metrics[0] if "/loss/" in name}
    assert all(math.isfinite(value) for values in metrics for value in values.values())
    for stop in (2, 3):
        with pytest.raises(StoppedError):
            train(mixed, config, tmp_path / "run", stop_after=stop)
    train(mixed, config, tmp_path / "run")
    assert results(tmp_path / "run") == results(tmp_path / "whole")
    kept = checkpoints.load(tmp_path / "run", "multi3net")
    assert kept.subjects["watch"] == ["p0", "p1", "p2"]
    assert kept.weights["imu.unknown_mounting"].abs().max() > 0  # the encoder has been told, and has learnt what it means


def test_recordings_alone_are_enough(window_store, real_recordings, tmp_path):
    store = window_store(tmp_path / "store", 2, 1, 0.0, real_recordings, mixture=Mixture({"test": 0}))
    metrics = train(store, settings({"batch_size": 8, "epochs": 1}), tmp_path / "run")[0]
    assert metrics["train/loss/text_pose"] == metrics["train/loss/imu_pose"] == metrics["train/loss/pose2imu"] == 0
    assert metrics["train/loss/two_views"] > 0
    assert metrics["train/loss/reconstruction"] > 0


def test_a_validation_batch_without_pairs_does_not_count(window_store, real_recordings, tmp_path):
    store = window_store(tmp_path / "store", clips=28, shards=3, val_share=0.3, recordings=real_recordings)
    config = settings({"batch_size": 4}, augment=OFF)
    loop = Loop(batch_sampler(store, config), config, Run(tmp_path, {}), None, torch.device("cpu"))
    blocks = list(loop.sampler.batches(0, loop.sampler.train_batches, 1, loop.sampler.in_process))  # those that validate
    found: dict[str, list[tuple[float, int]]] = {}
    with torch.no_grad():
        loop.task.eval()
        for number, block in enumerate(blocks):
            losses = loop.task(loop.make_batch.validated(block, config.augment, (config.seed, number)))
            for name, value in losses.items():
                found.setdefault(name, []).append((float(value), len(block["imu"])))
    metrics = loop._validate(iter(blocks))
    assert any(value == 0 for values in found.values() for value, _ in values)
    means = {}
    for name, values in found.items():
        if name != "total":
            there = [(value, n) for value, n in values if value != 0]
            means[name] = sum(value * n for value, n in there) / max(1, sum(n for _, n in there))
            assert metrics.get(f"val/loss/{name}", 0.0) == pytest.approx(means[name], rel=1e-5)
    assert metrics["val/loss"] == pytest.approx(
        sum(loop.task.loss.weights[name] * mean for name, mean in means.items()), rel=1e-5
    )
