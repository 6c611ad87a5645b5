"""The tables of names and the modules behind them hold each other: every name has its code and help, all code its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import REPOSITORY

from m3n import config, sources
from m3n.commands.tune.space import load_space
from m3n.config import FinetuneConfig, LossConfig, ModelConfig, ReproduceConfig, TuneConfig, names
from m3n.errors import InputError
from m3n.evaluation.baselines import BASELINES
from m3n.freeze import STRATEGIES
from m3n.losses import CONTRASTIVE_LOSSES, LOSSES, RECORDINGS_ONLY
from m3n.models.heads import HEADS
from m3n.models.imu import IMU_ENCODERS
from m3n.models.pose import POSE_ENCODERS

TABLES = {
    "LOSSES": LOSSES, "CONTRASTIVE_LOSSES": CONTRASTIVE_LOSSES, "IMU_ENCODERS": IMU_ENCODERS, "POSE_ENCODERS": POSE_ENCODERS,
    "HEADS": HEADS, "FREEZE_STRATEGIES": STRATEGIES,
}  # fmt: skip
CHOICES = {  # table -> (config class, stage, key)
    "CONTRASTIVE_LOSSES": (config.PretrainConfig, "pretrain", "loss.contrast"),
    "IMU_ENCODERS": (config.PretrainConfig, "pretrain", "model.imu_encoder"),
    "POSE_ENCODERS": (config.PretrainConfig, "pretrain", "model.pose_encoder"),
    "HEADS": (FinetuneConfig, "finetune", "head"),
    "FREEZE_STRATEGIES": (FinetuneConfig, "finetune", "freeze"),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_name_has_its_code_and_all_code_its_name_in_one_order(table):
    assert list(TABLES[table]) == list(getattr(names, table))


def test_every_source_has_its_module_and_every_module_that_reads_a_format_its_source():
    found = {sources.load(name).__name__ for name in names.SOURCES}
    folder = Path(sources.__file__).parent
    assert len(found) == len(names.SOURCES)
    for file in (file for kind in ("poses", "recordings", "paired") for file in (folder / kind).glob("[!_]*.py")):
        module = f"m3n.sources.{file.parent.name}.{file.stem}"
        reads = any(
            line.startswith(("def pose_clips(", "def imu_recordings("))
            for line in file.read_text(encoding="utf-8").splitlines()
        )
        assert reads == (module in found), module


@pytest.mark.parametrize("table", [*TABLES, "SOURCES", "METHODS", "FREEZE_OPTIONS"])
def test_every_name_has_one_line_of_help(table):
    for name, entry in getattr(names, table).items():
        text = entry if isinstance(entry, str) else entry.help
        assert text, name
        assert "\n" not in text, name


@pytest.mark.parametrize("table", CHOICES)
def test_a_config_takes_every_name_of_a_table_and_no_other(table):
    schema, stage, key = CHOICES[table]
    for name in getattr(names, table):
        config.resolve(schema, stage, None, [f"{key}={name}"])
    with pytest.raises(
        InputError, match=rf"config key '{key}' is 'unheard_of': input should be '{next(iter(getattr(names, table)))}'"
    ):
        config.resolve(schema, stage, None, [f"{key}=unheard_of"])


@pytest.mark.parametrize("table", CHOICES)
def test_help_explains_every_name(table):
    schema, _, key = CHOICES[table]
    text = next(text for found, _, text in config.describe(schema) if found == key)
    for name, entry in getattr(names, table).items():
        assert f"{name}: {entry if isinstance(entry, str) else entry.help}" in text


def test_the_weights_of_the_losses_are_the_first_settings_of_their_config():
    assert LossConfig().weights == {name: loss.weight for name, loss in names.LOSSES.items()}
    assert list(LossConfig.model_fields)[: len(names.LOSSES)] == list(names.LOSSES)
    described = {key: (default, text) for key, default, text in config.describe(config.PretrainConfig)}
    for name, loss in names.LOSSES.items():
        assert described[f"loss.{name}"] == (str(loss.weight), f"weight of: {loss.help}")


def test_losses_that_need_recordings_are_the_same_in_both_tables():
    assert [name for name, loss in names.LOSSES.items() if loss.recordings_only] == list(RECORDINGS_ONLY)


def test_every_freeze_option_belongs_to_a_strategy_and_lies_within_its_limits():
    used = [option for strategy in names.FREEZE_STRATEGIES.values() for option in strategy.options]
    assert set(used) == set(names.FREEZE_OPTIONS)
    for name, option in names.FREEZE_OPTIONS.items():
        for value in (option.default, *option.search):
            assert getattr(FinetuneConfig(freeze_options={name: value}).freeze_options, name) == value
        assert type(getattr(FinetuneConfig().freeze_options, name)) is type(option.default)


def test_a_sweep_over_freezing_tries_every_strategy_with_its_own_options():
    space = load_space("freeze", TuneConfig())
    drawn = {}

    class First:
        """Takes the strategy that is asked for, and the lowest value of all else."""

        def __init__(self, strategy: str) -> None:
            self.strategy, self.params = strategy, {}

        def suggest_categorical(self, key, choices):
            assert self.strategy in choices
            return self.strategy

        def suggest_float(self, key, low, high, **options):
            self.params[key] = low
            return low

        suggest_int = suggest_float

    for strategy, entry in names.FREEZE_STRATEGIES.items():
        trial = First(strategy)
        space.draw(trial)
        drawn[strategy] = set(trial.params)
        expected = {f"finetune.freeze_options.{option}" for option in entry.options}
        assert drawn[strategy] == expected | ({"finetune.encoder_lr"} if entry.encoder_learns else set())


@pytest.mark.parametrize("space", sorted(file.stem for file in (REPOSITORY / "tune_spaces").glob("*.py")))
def test_every_search_space_draws_settings_that_there_are(space):
    assert load_space(space, TuneConfig()).first


def test_every_strategy_is_a_method_and_the_baselines_are_those_that_exist():
    assert {method.settings["freeze"] for method in names.PRETRAINED.values() if "freeze" in method.settings} == set(
        names.FREEZE_STRATEGIES
    )
    assert set(BASELINES) <= set(names.BASELINES)
    assert set(ReproduceConfig.model_fields["methods"].default) == {*names.BASELINES, *names.PRETRAINED}
    for method in names.METHODS.values():
        config.check(FinetuneConfig, config.updated({}, method.settings))


def test_the_default_architecture_is_in_the_tables():
    architecture = ModelConfig()
    assert architecture.imu_encoder in names.IMU_ENCODERS
    assert architecture.pose_encoder in names.POSE_ENCODERS


def test_the_tables_import_nothing_but_typing():
    script = f"import sys; before = set(sys.modules); exec(open({str(REPOSITORY / 'm3n/config/names.py')!r}).read()); "
    script += "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
