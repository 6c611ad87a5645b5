"""A sweep resumes with the settings that it was begun with, by whatever names an earlier version noted them."""

from __future__ import annotations

import json

import pytest

from m3n.commands.tune.command import PLAN, _fixed, _resumed
from m3n.config import TuneConfig
from m3n.errors import InputError


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
