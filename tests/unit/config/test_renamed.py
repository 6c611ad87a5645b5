"""Settings by the names of an earlier version still load, from wherever they come, each with one warning line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from m3n import config
from m3n.config import AugmentConfig, FinetuneConfig, PretrainConfig, ReproduceConfig, TuneConfig, resolve
from m3n.config.renamed import KEYS, VALUES, todays
from m3n.errors import InputError


@pytest.fixture
def warnings(caplog) -> Callable[[], list[str]]:
    """Call it for the lines that were logged since the last call."""
    caplog.set_level(logging.WARNING, logger="m3n.config.renamed")

    def lines() -> list[str]:
        found = list(caplog.messages)
        caplog.clear()
        return found

    return lines


def written(folder: Path, text: str) -> Path:
    file = folder / "old.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_tables_lead_from_names_that_are_gone_to_names_that_there_are():
    schemas = {schema.__name__: schema for schema in (AugmentConfig, FinetuneConfig)}
    for name, keys in KEYS.items():
        assert set(keys.values()) <= set(schemas[name].model_fields)
        assert not set(keys) & set(schemas[name].model_fields)
    for name, by_key in VALUES.items():
        for key, values in by_key.items():
            for old, value in values.items():
                assert getattr(config.check(schemas[name], {key: old}), key) == value


@pytest.mark.parametrize(("old", "value"), [("none", "not_frozen"), ("all", "frozen")])
def test_an_override_of_an_old_value(warnings, old, value):
    assert resolve(FinetuneConfig, "finetune", None, [f"freeze={old}"]).freeze == value
    assert warnings() == [f"freeze={old} is now written freeze={value}: please rename it"]


def test_an_override_of_an_old_key(warnings):
    found = resolve(PretrainConfig, "pretrain", None, ["augment.drop=0.3", "seed=1"])
    assert found.augment.placement_dropout == 0.3
    assert warnings() == ["augment.drop is now called augment.placement_dropout: please rename it"]


def test_an_override_within_a_sweep(warnings):
    found = resolve(TuneConfig, "tune", None, ["finetune.freeze=all", "pretrain.augment.slow=0.1"])
    assert (found.finetune.freeze, found.pretrain.augment.low_rate) == ("frozen", 0.1)
    assert len(warnings()) == 2


def test_a_yaml_file_with_old_names_says_so_once_for_each(tmp_path, warnings):
    file = written(tmp_path, "finetune:\n  freeze: all\n  augment: {mask_signal: 0.1, slow: 0.2, turn_rad: 0.5}\n")
    found = resolve(FinetuneConfig, "finetune", file)
    assert found.freeze == "frozen"
    assert found.augment == FinetuneConfig().augment.model_copy(
        update={"signal_dropout": 0.1, "low_rate": 0.2, "turn_rad": 0.5}
    )
    assert sorted(warnings()) == [
        "augment.mask_signal is now called augment.signal_dropout: please rename it",
        "augment.slow is now called augment.low_rate: please rename it",
        "freeze=all is now written freeze=frozen: please rename it",
    ]


def test_an_override_beats_a_file_whichever_of_them_has_the_old_name(tmp_path, warnings):
    old, new = written(tmp_path, "pretrain:\n  augment: {drop: 0.1}\n"), tmp_path / "new.yaml"
    new.write_text("pretrain:\n  augment: {placement_dropout: 0.1}\n")
    for file, override in ((old, "augment.placement_dropout=0.9"), (new, "augment.drop=0.9")):
        assert resolve(PretrainConfig, "pretrain", file, [override]).augment.placement_dropout == 0.9
    assert len(warnings()) == 2


def test_the_settings_of_an_earlier_run_as_a_manifest_or_plan_holds_them(warnings):
    old = {"protocol": {"source": "utd_mhad", "placements": ["right_wrist"]}}
    old |= {"finetune": {"freeze": "none", "augment": {"drop": 0.0, "slow": 0.0}}, "pretrain": {"augment": {"slow": 0.3}}}
    found = config.check(ReproduceConfig, old)
    assert (found.finetune.freeze, found.pretrain.augment.low_rate) == ("not_frozen", 0.3)
    assert len(warnings()) == 4
    assert config.check(ReproduceConfig, found.model_dump(mode="json")) == found
    assert warnings() == []


def test_a_model_without_a_pose_encoder_has_the_one_that_there_was(warnings):
    old = {"imu_encoder": "conv_lstm", "shared_imu_encoder": True, "width": 32, "depth": 1, "embedding": 8, "dropout": 0.0}
    assert config.check(config.ModelConfig, old).pose_encoder == "joint_transformer"
    assert warnings() == []


def test_todays_names_pass_unchanged_and_without_a_word(warnings):
    values = {"freeze": "lp_ft", "augment": {"low_rate": 0.1}, "windows": None, "class_weights": "none"}
    assert todays(FinetuneConfig, values) == values
    assert resolve(FinetuneConfig, "finetune", None, ["class_weights=none"]).class_weights == "none"
    assert warnings() == []


def test_both_names_of_one_setting_are_refused(tmp_path):
    file = written(tmp_path, "pretrain:\n  augment: {drop: 0.1, placement_dropout: 0.2}\n")
    with pytest.raises(InputError, match=r"augment\.drop is the old name of augment\.placement_dropout, and both are given"):
        resolve(PretrainConfig, "pretrain", file)


def test_an_unknown_key_is_still_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown config key 'augment\.drob'"):
        resolve(PretrainConfig, "pretrain", None, ["augment.drob=0.3"])
