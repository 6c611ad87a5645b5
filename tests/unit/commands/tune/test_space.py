"""Search spaces: what can be searched is known before a sweep starts, and what cannot is said in one line."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from places import REPOSITORY

from m3n.commands.tune.space import FIXED, grid, load_space, trial_configs
from m3n.config import TuneConfig
from m3n.errors import InputError

SHIPPED = sorted(file.stem for file in (REPOSITORY / "tune_spaces").glob("*.py"))
LINE = 'trial.suggest_float("pretrain.loss.text_imu", 0.1, 4.0, log=True)'


def space_file(folder: Path, body: str, first: str = "[]") -> str:
    file = folder / "mine.py"
    file.write_text(f"FIRST = {first}\n\ndef space(trial):\n    {body}\n")
    return str(file)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_spaces_that_come_with_m3n_can_be_searched_by_name(name):
    space = load_space(name, TuneConfig())
    for settings in space.first:
        pretraining, _ = trial_configs(TuneConfig(), settings)
        assert "pretrain.optim.lr" not in settings or pretraining.optim.lr == settings["pretrain.optim.lr"]


@pytest.mark.parametrize("name", ["joint", "loss_weights"])
def test_the_authors_equal_weights_come_first_and_then_the_config_itself(name):
    paper, own = load_space(name, TuneConfig()).first[:2]
    objectives = ("text_imu", "text_pose", "imu_pose", "left_right", "pose2imu", "reconstruction")
    assert [paper[f"pretrain.loss.{objective}"] for objective in objectives] == [1.0] * 6
    assert trial_configs(TuneConfig(), own) == trial_configs(TuneConfig(), {})


def test_what_a_first_setting_leaves_out_is_as_the_sweeps_own_config_has_it(tmp_path):
    file = space_file(tmp_path, f'{LINE}; trial.suggest_float("finetune.lr", 1e-4, 1e-2)', '[{"pretrain.loss.text_imu": 2.0}]')
    config = TuneConfig.model_validate({"finetune": {"lr": 0.004}})
    assert load_space(file, config).first == [{"pretrain.loss.text_imu": 2.0, "finetune.lr": 0.004}]


BAD = {
    "space draws": ("pass", "[]", "draws no setting"),
    "unknown key": ('trial.suggest_float("pretrain.loss.text_imuu", 0, 1)', "[]", "did you mean 'pretrain.loss.text_imu'"),
    "unknown stage": ('trial.suggest_float("simulate.rate_hz", 20, 50)', "[]", "below pretrain. or finetune."),
    "out of range": ('trial.suggest_float("pretrain.loss.temperature", -1, -0.5)', "[]", "greater than 0"),
    "wrong choice": ('trial.suggest_categorical("finetune.freeze", ["nothing"])', "[]", "finetune.freeze"),
    "who is scored": ('trial.suggest_int("finetune.fold", 0, 4)', "[]", "'finetune.fold', which cannot be searched"),
    "encoder": ('trial.suggest_categorical("finetune.model.width", [32])', "[]", "draw pretrain.model.width"),
    "raises": ('trial.suggest_float("pretrain.loss.text_imu", 4, 0.1)', "[]", "line 4: space(trial) fails: ValueError"),
    "rare branch": (
        'trial.suggest_float("finetune.oops", 0, 1) if trial.suggest_int("finetune.epochs", 1, 8) == 7 else None',
        "[]",
        "finetune.oops",
    ),
    "not repeatable": (
        "import random; trial.suggest_float('finetune.lr', 1e-4, random.uniform(0.1, 0.2))",
        "[]",
        "`trial` only",
    ),
    "first of another key": (LINE, '[{"pretrain.loss.imu_pose": 1.0}]', "FIRST[0] names 'pretrain.loss.imu_pose'"),
    "first out of range": (LINE, '[{"pretrain.loss.text_imu": 9.0}]', "FIRST[0] has pretrain.loss.text_imu = 9.0"),
    "first of another kind": (LINE, '{"pretrain.loss.text_imu": 1.0}', "FIRST must be a list"),
}


@pytest.mark.parametrize(("body", "first", "said"), BAD.values(), ids=list(BAD))
def test_a_space_that_cannot_be_searched_is_refused_in_one_line(body, first, said, tmp_path):
    with pytest.raises(InputError) as raised:
        load_space(space_file(tmp_path, body, first), TuneConfig())
    assert said in str(raised.value)
    assert "mine.py" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"), [("def space(trial:\n", "line 1"), ("import nothing_like_it", "line 1"), ("x = 1", "no function")]
)
def test_a_file_that_is_no_space_is_refused_with_its_line(content, said, tmp_path):
    (tmp_path / "odd.py").write_text(content)
    with pytest.raises(InputError, match=said):
        load_space(str(tmp_path / "odd.py"), TuneConfig())


def test_an_unknown_space_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="did you mean 'loss_weights'"):
        load_space("loss_weight", TuneConfig())


def test_who_is_trained_and_scored_on_is_never_searched():
    assert {"finetune.test_subjects", "finetune.val_subjects", "pretrain.exclude_subjects"} <= set(FIXED)


def test_a_grid_is_every_combination_once_with_the_branches_that_belong_to_it(tmp_path):
    body = (
        'f = trial.suggest_categorical("finetune.freeze", ["frozen", "not_frozen"]); '
        'trial.suggest_float("finetune.lr", 1e-4, 1e-2, log=True); '
        'trial.suggest_int("finetune.epochs", 1, 3) if f == "not_frozen" else None'
    )
    found = grid(load_space(space_file(tmp_path, body), TuneConfig()), points=3, seed=0)
    rates = (1e-4, 1e-3, 1e-2)
    expected = {("frozen", lr, None) for lr in rates} | set(product(["not_frozen"], rates, [1, 2, 3]))
    keys = ("finetune.freeze", "finetune.lr", "finetune.epochs")
    assert {(s[keys[0]], float(f"{s[keys[1]]:.6g}"), s.get(keys[2])) for s in found} == expected
    assert len(found) == len(expected)


def test_a_grid_that_nobody_can_wait_for_is_refused():
    with pytest.raises(InputError, match=r"over 10,000 combinations"):
        grid(load_space("loss_weights", TuneConfig()), points=9, seed=0)
