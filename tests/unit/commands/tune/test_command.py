"""A sweep resumes with the settings that it was begun with, by whatever names an earlier version noted them."""

from __future__ import annotations

import json

import pytest

from m3n import schema
from m3n.commands.tune.command import PLAN, _checked_split, _fixed, _planned, _resumed
from m3n.commands.tune.space import load_space
from m3n.config import TuneConfig
from m3n.errors import InputError
from m3n.io import tables


def test_a_plan_with_the_names_of_0_1_0_is_the_same_plan(tmp_path):
    def plan(**finetune: object) -> dict[str, object]:
        return {"space": {"name": "s", "sha256": "x"}, "inputs": {}, "config": _fixed(TuneConfig(finetune=finetune))}

    old = plan(freeze="frozen")
    old["config"] = {
        key.replace("augment.low_rate", "augment.slow").replace("augment.placement_dropout", "augment.drop"): value
        for key, value in old["config"].items()
        if not key.endswith("pose_encoder")
    } | {"finetune.freeze": "all"}
    assert "pretrain.augment.slow" in old["config"]
    (tmp_path / PLAN).write_text(json.dumps(old))
    assert _resumed(tmp_path, plan(freeze="frozen"))["inputs"] == {}
    with pytest.raises(InputError, match=r"config\.finetune\.freeze = 'frozen', not 'not_frozen'"):
        _resumed(tmp_path, plan())


def test_recordings_to_pretrain_on_are_checked_and_are_part_of_the_plan(tmp_path, recording, synthetic_clip):
    clips, labelled, beside = (tmp_path / name for name in ("synthetic", "labelled", "beside"))
    people = {labelled: "abc", beside: "xc"}
    for folder in (clips, *people):
        folder.mkdir()
    tables.write_table(clips, [synthetic_clip("clip", 81, 20.0)], schema.synthetic_clips(("left_wrist", "right_wrist")), 8)
    for folder, names in people.items():
        rows = [recording(f"{who}{label}", subject=who, label=label) for who in names for label in ("knock", "wave")]
        tables.write_table(folder, rows, schema.imu_recordings(), 8)
    given = {"finetune": {"test_subjects": ["c"], "windows": {"window_s": 1.0}}}
    config = TuneConfig.model_validate(given)
    alone = _checked_split(clips, labelled, (), config)
    with pytest.raises(InputError, match="test subject 'c' of test were in the pretraining corpus"):
        _checked_split(clips, labelled, (beside,), config)
    config = TuneConfig.model_validate(given | {"pretrain": {"exclude_subjects": ["c"]}})
    assert _checked_split(clips, labelled, (beside,), config) == alone
    space = load_space("loss_weights", config)
    inputs = [_planned(space, clips, labelled, tables_, config, alone)["inputs"] for tables_ in ((), (beside,))]
    assert inputs[1] == inputs[0] | {"pretraining_recordings.1": tables.data_sha256(beside)}
