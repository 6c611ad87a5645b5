"""The cells of an ablation and the table made from them; training them is in tests/integration."""

from __future__ import annotations

import pytest

from m3n import schema
from m3n.commands import ablation
from m3n.config import LossConfig, PretrainConfig, resolve
from m3n.errors import InputError
from m3n.io import tables


def test_a_loss_alone_is_the_only_one_with_a_weight():
    found = ablation.variants()
    assert set(found) == {"all", "paper", *(f"{name} alone" for name in LossConfig().weights if name != "two_views")}
    preset, overrides = found["imu_pose alone"]
    weights = resolve(PretrainConfig, "pretrain", None, overrides, base=preset).loss.weights
    assert {name: weight for name, weight in weights.items() if weight} == {"imu_pose": 1}
    assert resolve(PretrainConfig, "pretrain", *found["all"]) == PretrainConfig()


def test_a_table_holds_means_deviations_and_chance():
    cells = [{"zero_shot_recording_macro_f1": f1, "chance_recording_macro_f1": 0.25} for f1 in (0.4, 0.6)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ablation.table({"all": cells}).splitlines()]
    assert rows[0][:3] == ["losses", "zero-shot F1", "kNN F1"]
    assert rows[2][:3] == ["all", "0.500 ± 0.141", "-"]
    assert rows[3][:3] == ["chance", "0.250", "0.250"]


def test_settings_hold_for_every_cell_whatever_its_preset_says(synthetic_clip, tmp_path):
    tables.write_table(
        tmp_path, [synthetic_clip("c0")], schema.synthetic_clips(["left_wrist", "right_wrist"]), rows_per_shard=1
    )
    (tmp_path / "mine.yaml").write_text("pretrain: {val_share: 0.0}\n")
    found = list(ablation.cells(tmp_path, ["s1"], ["model.width=32"], [0, 4], ["paper", "all"], tmp_path / "mine.yaml"))
    assert [(name, seed) for name, seed, _ in found] == [("paper", 0), ("all", 0), ("paper", 4), ("all", 4)]
    for _, seed, settings in found:
        assert (settings.model.width, settings.seed, settings.val_share) == (32, seed, 0.0)
        assert settings.exclude_subjects == ["s1"]
    assert found[0][2].loss.weights != found[1][2].loss.weights


def test_an_unknown_variant_is_named(tmp_path):
    with pytest.raises(InputError, match="unknown variant 'text_imu', did you mean 'text_imu alone'"):
        ablation.ablation(tmp_path, tmp_path, tmp_path / "out", ["s1"], names=["text_imu"])


def test_subjects_to_test_on_are_asked_for(tmp_path):
    with pytest.raises(InputError, match="--held-out: expected one subject or more"):
        ablation.ablation(tmp_path, tmp_path, tmp_path / "out", [])


def test_left_right_alone_is_left_out_or_refused_on_one_wrist(synthetic_clip, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    row = synthetic_clip("c0")
    row.pop(schema.imu_column("left_wrist"))
    tables.write_table(clips, [row], schema.synthetic_clips(["right_wrist"]), rows_per_shard=1)

    def planned(*variants: str) -> list[str]:
        return [name for name, _, _ in ablation.cells(clips, ["s1"], names=variants)]

    assert planned() == [name for name in ablation.variants() if name != "left_right alone"]
    with pytest.raises(InputError, match="'left_right alone' needs both wrists, and there is right_wrist"):
        planned("all", "left_right alone")
