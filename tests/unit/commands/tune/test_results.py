"""What a sweep says mattered is what did, and its best config is a config."""

from __future__ import annotations

import json
import math

import pytest

from m3n.commands.tune.results import write_results
from m3n.commands.tune.space import load_space
from m3n.commands.tune.study import COMPLETE, FAILED, METRIC, STOPPED, Study
from m3n.config import FinetuneConfig, PretrainConfig, TuneConfig, resolve


@pytest.mark.parametrize("objectives", [[], ["parameters"]])
def test_the_weight_that_decides_the_score_is_named_first_and_the_best_config_has_it(objectives, tmp_path):
    config = TuneConfig(trials=40, sampler="random", objectives=objectives)
    study = Study(tmp_path / "trials.jsonl", load_space("joint", config), config)
    while trial := study.next():
        score = 0.8 - 0.1 * abs(math.log(trial.settings["pretrain.loss.pose2imu"] / 0.5))
        state = {7: FAILED, 9: STOPPED}.get(trial.number, COMPLETE)
        figures = {METRIC: score, "parameters": 1e5 + trial.number, "latency_ms": 1.0} if state != FAILED else {}
        study.ended(trial.number, state, {1: score / 2}, figures, "lower optim.lr" if state == FAILED else None)
    figures = write_results(tmp_path, study)
    assert (figures["trials"], figures[COMPLETE], figures[STOPPED], figures[FAILED]) == (40, 38, 1, 1)
    found = json.loads((tmp_path / "importance.json").read_text())
    for measure in ("fanova", "ped_anova"):
        assert max(found, key=lambda key: found[key][measure]) == "pretrain.loss.pose2imu"
        assert sum(values[measure] for values in found.values()) == pytest.approx(1)
    assert "finetune.freeze_options.probe" not in found  # only some trials have it
    pretraining = resolve(PretrainConfig, "pretrain", tmp_path / "best.yaml")
    finetuning = resolve(FinetuneConfig, "finetune", tmp_path / "best.yaml")
    assert pretraining.loss.pose2imu == study.best.settings["pretrain.loss.pose2imu"]
    assert finetuning.freeze == study.best.settings["finetune.freeze"]
    for name in ("parallel.png", "contour.png", "importance.png", *(["pareto.png"] if objectives else [])):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n")
    text = (tmp_path / "results.md").read_text()
    assert "- trial 7: lower optim.lr" in text
    assert ("## Pareto front" in text) == bool(objectives)
    assert len(list(tmp_path.glob("pareto-*.yaml"))) == (len(study.front()) if objectives else 0)
