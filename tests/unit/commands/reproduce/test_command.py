"""A run resumes with the settings its folder was started with, also under the names of an earlier version."""

from __future__ import annotations

import json

import pytest

from m3n.commands.reproduce.command import PLAN, _planned
from m3n.config import ReproduceConfig
from m3n.errors import InputError


def config(**finetune: object) -> ReproduceConfig:
    return ReproduceConfig(protocol={"source": "utd_mhad", "placements": ["right_wrist"]}, finetune=finetune)


def test_a_plan_with_the_names_of_0_1_0_is_the_same_plan(tmp_path, caplog):
    _planned("demo", tmp_path, config(freeze="frozen"), {}, None)
    plan = json.loads((tmp_path / PLAN).read_text())
    old = plan["config"]
    for part in ("pretrain", "finetune"):
        augment = old[part]["augment"]
        augment |= {"mask_signal": augment.pop("signal_dropout"), "slow": augment.pop("low_rate")}
        augment["drop"] = augment.pop("placement_dropout")
    old["finetune"]["freeze"] = "all"
    del old["pretrain"]["model"]["pose_encoder"]
    (tmp_path / PLAN).write_text(json.dumps(plan))
    caplog.clear()
    assert _planned("demo", tmp_path, config(freeze="frozen"), {}, None)["name"] == "demo"
    assert len([line for line in caplog.messages if "is now" in line]) == 7  # three keys in two stages, and a value
    with pytest.raises(InputError, match=r"holds a run with another config\.finetune"):
        _planned("demo", tmp_path, config(freeze="not_frozen"), {}, None)
