"""Configs: defaults, then the stage's section of a YAML file, then overrides; every mistake is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from places import REPOSITORY

from m3n import config
from m3n.config import FinetuneConfig, PretrainConfig, SimulateConfig, TuneConfig, resolve
from m3n.errors import InputError

CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))


def write(folder: Path, text: str) -> Path:
    file = folder / "my.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(schema: type[config.Options], stage: str, *overrides: str, file: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        resolve(schema, stage, file, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_file_and_overrides_the_defaults_hold():
    found = resolve(PretrainConfig, "pretrain")
    assert found == PretrainConfig()
    assert (found.windows.window_s, found.loss.temperature, found.workers) == (2.0, 0.07, 2)


def test_overrides_beat_the_file_and_the_file_beats_the_defaults(tmp_path):
    file = write(tmp_path, "simulate:\n  rate_hz: 50\n  seed: 4\npretrain:\n  seed: 9\n")
    found = resolve(SimulateConfig, "simulate", file, ["seed=5", "placements=[head,pelvis]"])
    assert (found.rate_hz, found.seed, found.placements, found.workers) == (50.0, 5, ["head", "pelvis"], "auto")


def test_a_stage_reads_its_own_section_only(tmp_path):
    file = write(tmp_path, "simulate:\n  seed: 4\n")
    assert resolve(PretrainConfig, "pretrain", file) == PretrainConfig()
    assert resolve(PretrainConfig, "pretrain", write(tmp_path, "")) == PretrainConfig()


def test_a_dotted_override_changes_one_key_of_a_section(tmp_path):
    file = write(tmp_path, "pretrain:\n  optim: {lr: 0.01, epochs: 7}\n")
    found = resolve(PretrainConfig, "pretrain", file, ["optim.lr=2e-4", "loss.left_right=0"])
    assert (found.optim.lr, found.optim.epochs, found.loss.left_right, found.loss.text_imu) == (2e-4, 7, 0.0, 1.0)


def test_a_sweep_starts_from_the_sections_of_its_stages(tmp_path):
    file = write(tmp_path, "pretrain:\n  seed: 1\nfinetune:\n  fold: 2\ntune:\n  trials: 3\n")
    found = resolve(TuneConfig, "tune", file)
    assert (found.pretrain.seed, found.finetune.fold, found.trials) == (1, 2, 3)


@pytest.mark.parametrize(
    ("schema", "stage", "override", "nearest"),
    [
        (SimulateConfig, "simulate", "rate=50", "rate_hz"),
        (PretrainConfig, "pretrain", "optim.learning_rat=1", "optim."),
        (PretrainConfig, "pretrain", "loss.text_imus=1", "loss.text_imu"),
        (FinetuneConfig, "finetune", "windows.windows_s=1", "windows.window_s"),
        (FinetuneConfig, "finetune", "freze=frozen", "freeze"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(schema, stage, override, nearest):
    message = refusal(schema, stage, override)
    assert f"unknown config key '{override.partition('=')[0]}'" in message
    assert f"did you mean '{nearest}" in message


def test_an_unknown_key_of_a_file_names_the_file(tmp_path):
    file = write(tmp_path, "simulate:\n  rate: 50\n")
    message = refusal(SimulateConfig, "simulate", file=file)
    assert "'rate'" in message
    assert "rate_hz" in message
    assert str(file) in message


@pytest.mark.parametrize(
    ("schema", "stage", "override", "parts"),
    [
        (PretrainConfig, "pretrain", "optim.lr=fast", ("optim.lr", "fast", "number")),
        (PretrainConfig, "pretrain", "optim.lr=-1", ("optim.lr", "-1", "greater than 0")),
        (PretrainConfig, "pretrain", "optim.lr=.nan", ("optim.lr", "finite")),
        (PretrainConfig, "pretrain", "optim.lr=", ("optim.lr", "None", "number")),
        (PretrainConfig, "pretrain", "optim=3", ("optim", "3")),
        (PretrainConfig, "pretrain", "seed.x=3", ("seed", "integer")),
        (PretrainConfig, "pretrain", "optim.optimizer=sgd", ("optim.optimizer", "sgd", "'adam' or 'adamw'")),
        (PretrainConfig, "pretrain", "workers=0", ("workers", "0")),
        (PretrainConfig, "pretrain", "windows.window_s=0", ("windows.window_s", "0")),
        (SimulateConfig, "simulate", "cutoff_hz=low", ("cutoff_hz", "low")),
        (SimulateConfig, "simulate", "placements=[left_wrist,elbow]", ("unknown placement 'elbow'", "right_wrist")),
        (SimulateConfig, "simulate", "placements=[]", ("placements is empty",)),
        (SimulateConfig, "simulate", "placements=[head,head]", ("has a duplicate",)),
        (FinetuneConfig, "finetune", "fold=5", ("fold is 5", "folds = 5")),
        (FinetuneConfig, "finetune", "train_subjects=0", ("train_subjects is 0",)),
        (FinetuneConfig, "finetune", "label_fraction=1.5", ("label_fraction", "1.5")),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused_and_named(schema, stage, override, parts):
    message = refusal(schema, stage, override)
    assert all(part in message for part in parts), message


def test_weights_that_are_all_zero_leave_nothing_to_learn():
    zeros = [f"loss.{name}=0" for name in PretrainConfig().loss.weights]
    assert "every loss weight is 0" in refusal(PretrainConfig, "pretrain", *zeros)
    assert resolve(PretrainConfig, "pretrain", None, zeros[1:]).loss.weights["text_pose"] == 0.0


@pytest.mark.parametrize("override", ["seed", "=3", "-seed 3", "optim.lr 3"])
def test_an_override_is_key_equals_value(override):
    assert f"'{override}' is not an override" in refusal(PretrainConfig, "pretrain", override)


@pytest.mark.parametrize("override", ["seed=[1,2", "seed={a: b", "placements=[a,"])
def test_an_override_that_is_no_yaml_is_named(override):
    assert override in refusal(SimulateConfig, "simulate", override)


class Anything(config.Options):
    a: Any = None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),  # which YAML 1.1 by itself takes for text
        ("1E5", 1e5),
        ("-2.5e-4", -2.5e-4),
        (".5", 0.5),
        ("1_000", 1000),
        ("null", None),
        ("~", None),
        ("", None),
        ("on", True),
        ("off", False),
        ("yes", True),
        ("no", False),
        ("e5", "e5"),
        ("1e", "1e"),
        ("nan", "nan"),
        ("'1'", "1"),
        ("x=y", "x=y"),
        ("2026-01-31", "2026-01-31"),  # a session, not a date
        ("[ax,ay,az]", ["ax", "ay", "az"]),
        ("[-x,-y,z]", ["-x", "-y", "z"]),
        ("[1e-3,yes]", [0.001, True]),
        ("{b: {c: 1}}", {"b": {"c": 1}}),
        ("data/{subject}/{session}_*.csv", "data/{subject}/{session}_*.csv"),
        ("${oc.env:HOME}", "${oc.env:HOME}"),  # text: nothing is looked up
        ("${seed", "${seed"),
    ],
)
def test_a_value_is_a_yaml_scalar_or_container(text, value):
    found = resolve(Anything, "simulate", None, [f"a={text}"]).a
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("overrides", "value"),
    [
        (["a.b=1", "a.c=2"], {"b": 1, "c": 2}),
        (["a={b: {c: 1}}", "a={b: {d: 2}}", "a.e=3"], {"b": {"c": 1, "d": 2}, "e": 3}),
        (["a={b: 1}", "a={}"], {"b": 1}),
    ],
)
def test_overrides_of_several_keys_of_a_section_come_together(overrides, value):
    assert resolve(Anything, "simulate", None, overrides).a == value


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["a=1", "a=2"], "a"),
        (["a=1", "a=1"], "a"),
        (["a=[1,2]", "a=[3]"], "a"),
        (["a=null", "a.b=1"], "a.b"),
        (["a.b=1", "a=null"], "a"),
        (["a={b: {c: 1, d: 2}}", "a.b.c=3"], "a.b.c"),
    ],
)
def test_a_setting_given_twice_is_refused_with_both_of_its_values(overrides, key):
    message = refusal(Anything, "simulate", *overrides)
    assert f"{key} is given twice, as '{overrides[0]}' and as '{overrides[1]}'" in message


def test_a_setting_given_by_its_old_name_too_is_given_twice():
    message = refusal(PretrainConfig, "pretrain", "augment.drop=0.1", "seed=1", "augment.placement_dropout=0.2")
    assert "augment.placement_dropout is given twice" in message


def test_a_file_is_laid_over_its_base_key_by_key(tmp_path):
    base, file = tmp_path / "base.yaml", write(tmp_path, "pretrain:\n  optim: {lr: 1e-4}\n  exclude_subjects: [b]\n")
    base.write_text("pretrain:\n  optim: {lr: 0.5, epochs: 7}\n  exclude_subjects: [a, c]\n")
    found = resolve(PretrainConfig, "pretrain", file, base=base)
    assert (found.optim.lr, found.optim.epochs, found.exclude_subjects) == (1e-4, 7, ["b"])


@pytest.mark.parametrize("override", ["seed={a: 1, a: 2}", "seed=&x [*x]", "seed=" + "[" * 60 + "]" * 60, "seed=!!int x"])
def test_an_override_that_says_two_things_or_refers_to_itself_is_named(override):
    assert f"cannot read the override '{override}" in refusal(SimulateConfig, "simulate", override)


@pytest.mark.parametrize("override", ["seed[0]=1", ".seed=1", " seed=1", "optim..lr=1"])
def test_a_key_is_names_with_dots_between_them(override):
    assert "unknown config key" in refusal(PretrainConfig, "pretrain", override)


def test_the_columns_of_a_placement_are_a_list_of_names():
    from m3n.commands.ingest import options_of

    found = resolve(options_of("recordings"), "ingest", None, ["columns.right_wrist=[ax,ay,az]", "acc_unit=g"])
    assert found.columns == {"right_wrist": ["ax", "ay", "az"]}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("simulat:\n  seed: 1\n", ("unknown section 'simulat'", "did you mean 'simulate'")),
        ("simulate: [1, 2]\n", ("section 'simulate'", "key: value")),
        ("- simulate\n", ("one section per stage", "list")),
        ("just words\n", ("one section per stage", "str")),
        ("simulate: {seed: 1\n", ("not valid YAML",)),
        ("simulate:\n\tseed: 1\n", ("not valid YAML",)),
        ("simulate:\n  seed: 1\n  rate_hz: 50\n  seed: 2\n", ("not valid YAML", "'seed' is given twice, again in line 4")),
        ("simulate: &x\n  seed: *x\n", ("not valid YAML", "refers to itself")),
        ("simulate:\n  1: 2\n", ("unknown config key '1'",)),
        ("simulate:\n  seed: !!python/object/apply:os.getcwd []\n", ("not valid YAML",)),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, text, parts):
    file = write(tmp_path, text)
    message = refusal(SimulateConfig, "simulate", file=file)
    assert str(file) in message
    assert all(part in message for part in parts), message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert "absent.yaml" in refusal(SimulateConfig, "simulate", file=tmp_path / "absent.yaml")
    assert str(tmp_path) in refusal(SimulateConfig, "simulate", file=tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    assert "bytes.yaml" in refusal(SimulateConfig, "simulate", file=tmp_path / "bytes.yaml")


def test_subjects_may_be_numbers_because_many_data_sets_call_them_so():
    found = resolve(FinetuneConfig, "finetune", None, ["test_subjects=[1,3]", "val_subjects=[4]", "train_subjects=[a,5]"])
    assert (found.test_subjects, found.val_subjects, found.train_subjects) == (["1", "3"], ["4"], ["a", "5"])
    assert resolve(FinetuneConfig, "finetune", None, ["train_subjects=3"]).train_subjects == 3
    assert resolve(PretrainConfig, "pretrain", None, ["exclude_subjects=[1,3]"]).exclude_subjects == ["1", "3"]


def test_widths_that_the_layers_cannot_divide_are_refused_before_anything_is_read():
    from m3n.models import Multi3Net

    for width in (16, 48, 112, 128, 240):
        model = resolve(PretrainConfig, "pretrain", None, [f"model.width={width}"]).model
        Multi3Net(["left_wrist"], 10, 10, **model.model_dump())
    for width in (0, 8, 24, 100):
        assert "model.width" in refusal(PretrainConfig, "pretrain", f"model.width={width}")


def test_windows_hold_at_least_two_pose_frames():
    assert resolve(PretrainConfig, "pretrain", None, ["windows.window_s=0.1"]).windows.pose_frames == 2
    message = refusal(PretrainConfig, "pretrain", "windows.window_s=0.05")
    assert "windows.window_s" in message
    assert "pose" in message


def test_flatten_gives_dotted_keys_and_plain_values():
    flat = config.flatten(resolve(PretrainConfig, "pretrain", None, ["optim.lr=0.5"]))
    assert flat["optim.lr"] == 0.5
    assert flat["windows.window_s"] == 2.0
    assert flat["exclude_subjects"] == []
    assert set(flat) == {key for key in config.keys(PretrainConfig) if config.NAME not in key}
    assert config.flatten(FinetuneConfig())["windows"] is None


def test_the_digest_depends_on_the_values_and_not_on_where_they_came_from(tmp_path):
    file = write(tmp_path, "simulate:\n  rate_hz: 50\n")
    same = [resolve(SimulateConfig, "simulate", file), resolve(SimulateConfig, "simulate", None, ["rate_hz=50.0"])]
    assert config.sha256(same[0]) == config.sha256(same[1]) != config.sha256(SimulateConfig())


@pytest.mark.parametrize("stage", config.STAGES)
def test_help_describes_every_key_that_can_be_set(stage):
    schema = config.STAGES[stage]
    described = {key: (default, text) for key, default, text in config.describe(schema)}
    assert set(config.keys(schema)) <= set(described)
    assert all(text for _, text in described.values())


def test_help_shows_the_default_that_holds_where_a_section_changes_it():
    described = {key: default for key, default, _ in config.describe(FinetuneConfig)}
    assert described["augment.turn_rad"] == "0.3"  # finetune's own; AugmentConfig itself says pi
    assert described["freeze"] == '"not_frozen"'
    assert described["windows"] == "null"
    assert described["windows.window_s"] == "2.0"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_every_preset_is_valid_for_its_stages(file):
    sections = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert sections
    for stage in sections:
        resolve(config.STAGES[stage], stage, file)


def test_there_are_presets_and_the_default_one_changes_nothing():
    assert {"default.yaml", "demo.yaml", "paper.yaml"} <= {file.name for file in CONFIGS}
    assert resolve(PretrainConfig, "pretrain", config.preset("default.yaml")) == PretrainConfig()


def test_the_paper_preset_holds_the_published_numbers():
    """arXiv 2406.01316: 1 s windows, hop 0.5 s, 30 pose frames and 60 IMU samples, embedding 256, Adam 1e-3, batch 32."""
    found = resolve(PretrainConfig, "pretrain", config.preset("paper.yaml"))
    assert (found.windows.window_s, found.windows.hop_s, found.windows.pose_frames, found.windows.samples) == (1.0, 0.5, 30, 60)
    assert (found.model.embedding, found.loss.temperature) == (256, 0.07)
    optim = found.optim
    assert (optim.optimizer, optim.lr, optim.batch_size, optim.epochs, optim.patience) == ("adam", 1e-3, 32, 300, 30)
    assert set(found.loss.weights.values()) - {0.0} == {1.0}


def test_a_setting_of_a_part_leaves_the_stages_own_defaults_of_that_part():
    """Fine-tuning turns the mounting by less than pretraining does; a change of another setting keeps that."""
    given = config.resolve(config.FinetuneConfig, "finetune", None, ["augment.scale=0"])
    assert given.augment.scale == 0
    assert given.augment.turn_rad == config.FinetuneConfig().augment.turn_rad != config.AugmentConfig().turn_rad


@pytest.mark.parametrize("text", ["007", "no", "1.0", "1:30", "walks: slowly", "a #1", "2026-01-31", "-", "None"])
def test_text_is_taken_as_it_is_written(text):
    """YAML would read 7, False, 1.0, 90, a mapping, and cut a comment off."""
    from m3n.commands.ingest import options_of

    found = resolve(options_of("recordings"), "ingest", None, [f"subject={text}"])
    assert found.subject == text
    assert resolve(options_of("joints"), "ingest", None, [f"text={text}"]).text == text


def test_text_that_is_quoted_or_null_is_yamls_and_a_list_is_none():
    from m3n.commands.ingest import options_of

    assert resolve(options_of("joints"), "ingest", None, ["text='a b'", "label=null", "subject="]).text == "a b"
    assert "subject" in refusal(options_of("joints"), "ingest", "subject=[a,b]")
