"""Checkpoints come back as they were written, and say what is wrong where they cannot be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from places import REPOSITORY

from m3n import packaged
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import POSE_FEATURES, Normaliser
from m3n.errors import InputError
from m3n.evaluation.embed import WITHOUT_POSES, load_multi3net
from m3n.models import Multi3Net, make_imu_tower
from m3n.training.checkpoint import Checkpoint, fill, load, named, part, save
from m3n.training.classifier import load_classifier

MODEL = ModelConfig(width=16, depth=1, embedding=8)
WRISTS = ["left_wrist", "right_wrist"]


def example(**changes: object) -> Checkpoint:
    torch.manual_seed(0)
    return replace(
        Checkpoint(
            kind="multi3net",
            weights=Multi3Net(WRISTS, 10, 12, **MODEL.model_dump()).state_dict(),
            architecture=MODEL,
            windows=WindowsConfig(window_s=1.5),
            placements=WRISTS,
            normaliser=Normaliser(acc=11.5, gyro=0.1 + 0.2),
            text_model="some model",
            text_features=12,
            subjects={"utd_mhad": ["s1", "s2"]},
        ),
        **changes,
    )


def saved(folder: Path, **changes: object) -> Path:
    save(folder, example(**changes))
    return folder


def refusal(folder: Path, kind: str = "multi3net") -> str:
    with pytest.raises(InputError) as caught:
        load(folder, kind)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    written, read = example(), load(saved(tmp_path), "multi3net")
    assert {k: v for k, v in vars(read).items() if k != "weights"} == {k: v for k, v in vars(written).items() if k != "weights"}
    assert set(read.weights) == set(written.weights)
    assert all(torch.equal(read.weights[name], value) for name, value in written.weights.items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.json", "model.safetensors"]


def test_weights_of_a_model_on_the_way_are_kept_as_numbers_only(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3).requires_grad_(True)
    save(tmp_path, example(weights={"w": weight.T}))
    read = load(tmp_path, "multi3net").weights["w"]
    assert not read.requires_grad
    assert read.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_imu_tower_is_the_one_that_was_pretrained(tmp_path):
    read = load(saved(tmp_path), "multi3net")
    torch.manual_seed(5)
    tower = make_imu_tower(read.placements, read.architecture.model_dump())
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    fill(tower, part(read.weights, "imu."), "here")
    whole = Multi3Net(WRISTS, 10, 12, **read.architecture.model_dump())
    whole.load_state_dict(dict(read.weights))
    imu = torch.randn(3, 2, 100, 6)
    torch.testing.assert_close(tower.eval()(imu), whole.imu.eval()(imu))
    assert any(not torch.equal(value, before[name]) for name, value in tower.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"imu_encoder": "residual_cnn"}, "it has no weight 'encoders.0.layers."),
        ({"width": 32}, "'encoders.0.stem.0.0.weight' is (16, 21, 7), expected (32, 21, 7)"),
        ({"depth": 2}, "it has no weight 'encoders.0.layers.layers.1."),
        ({"shared_imu_encoder": False}, "it has no weight 'encoders.1."),
    ],
)
def test_another_architecture_is_refused_by_the_first_weight_that_does_not_fit(changes, named):
    tower = make_imu_tower(WRISTS, MODEL.model_dump() | changes)
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    with pytest.raises(InputError) as caught:
        fill(tower, part(example().weights, "imu."), "runs/pretrain")
    assert str(caught.value).startswith("runs/pretrain: the checkpoint has another architecture")
    assert named in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())


def test_a_checkpoint_of_the_other_kind_says_which_command_makes_the_right_one(tmp_path):
    message = refusal(saved(tmp_path), "classifier")
    assert "holds a multi3net checkpoint" in message
    assert "`m3n finetune`" in message
    (tmp_path / "c").mkdir()
    assert "`m3n pretrain`" in refusal(saved(tmp_path / "c", kind="classifier"))


def test_a_missing_checkpoint_is_named(tmp_path):
    assert "holds no checkpoint.json" in refusal(tmp_path)
    assert "holds no checkpoint.json" in refusal(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    assert "holds no checkpoint.json" in refusal(tmp_path / "file")
    saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "model.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_damaged_weights_are_refused(tmp_path, kept):
    saved(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    assert "not a readable checkpoint" in refusal(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "3", "[]", '"words"', "{}", '{"version": 1}', '{"version": 1, "normaliser": 3}', "\0"]
)
def test_a_damaged_description_is_refused(tmp_path, text):
    saved(tmp_path)
    (tmp_path / "checkpoint.json").write_text(text)
    assert "not a readable checkpoint" in refusal(tmp_path)


def test_a_checkpoint_of_another_version_says_so(tmp_path):
    file = saved(tmp_path) / "checkpoint.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 99}))
    assert "another version of m3n" in refusal(tmp_path)


def test_a_description_with_a_field_too_few_or_too_many_is_refused(tmp_path):
    file = saved(tmp_path) / "checkpoint.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in content.items() if k != "placements"}))
    assert "placements" in refusal(tmp_path)
    file.write_text(json.dumps(content | {"colour": "red"}))
    assert "colour" in refusal(tmp_path)


def test_checkpoints_made_by_0_1_0_still_load_and_give_the_same_numbers():
    """Names of weights and settings have changed since; `expected.npz` holds what that version made of four windows."""
    folder = REPOSITORY / "tests" / "fixtures" / "made_by_0_1_0"
    expected = np.load(folder / "expected.npz")
    network, description = load_multi3net(folder / "pretrained")
    classifier, fitted = load_classifier(folder / "classifier")
    with torch.no_grad():
        features = network.imu(torch.from_numpy(description.normaliser(expected["imu_npt6"])))
        logits, _ = classifier(torch.from_numpy(fitted.normaliser(expected["imu_npt6"])), None, [0, 1])
    np.testing.assert_allclose(features, expected["features_nw"], atol=1e-5)
    np.testing.assert_allclose(logits.softmax(-1), expected["probabilities_nc"], atol=1e-5)


# weights that come with m3n


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """A package that ships `wrist-tiny`: no pose encoder and no decoders."""
    folder = tmp_path / "m3n" / "weights" / "wrist-tiny"
    folder.mkdir(parents=True)
    whole = Multi3Net(WRISTS, POSE_FEATURES, 12, **MODEL.model_dump()).state_dict()
    saved(folder, weights={name: value for name, value in whole.items() if name.startswith(WITHOUT_POSES)})
    monkeypatch.setattr(packaged, "PACKAGE", tmp_path / "m3n")
    monkeypatch.chdir(tmp_path)
    return folder


def test_weights_go_by_name_and_a_folder_of_that_name_wins(shipped, tmp_path):
    assert named(Path("wrist-tiny")) == shipped
    (tmp_path / "wrist-tiny").mkdir()
    assert named(Path("wrist-tiny")) == Path("wrist-tiny")
    assert named(Path("runs/nowhere")) == Path("runs/nowhere")  # a path is no name: whoever reads it says what is wrong


def test_an_unknown_name_lists_those_there_are(shipped, monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"'wrist-tinny', did you mean 'wrist-tiny'\?.*come with m3n: wrist-tiny"):
        named(Path("wrist-tinny"))
    monkeypatch.setattr(packaged, "PACKAGE", tmp_path)
    with pytest.raises(InputError, match=r"no weights come with this version of m3n \(docs/weights\.md\)"):
        named(Path("wrist-tiny"))


def test_weights_without_a_pose_encoder_embed_windows_and_refuse_clips(shipped):
    model, _ = load_multi3net(shipped, whole=False)
    assert torch.equal(model.state_dict()["imu.pool.norm.weight"], load(shipped, "multi3net").weights["imu.pool.norm.weight"])
    with pytest.raises(InputError, match="has no pose encoder, which clips need"):
        load_multi3net(shipped)
