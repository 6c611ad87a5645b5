"""What bad input gets: one clear line, exit status 2, and no half-written output, whatever the stage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3n import schema
from m3n.cli import main
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import POSE_FEATURES, Normaliser
from m3n.io import tables
from m3n.models import Multi3Net
from m3n.training import checkpoint as checkpoints

WRISTS = ("left_wrist", "right_wrist")
QUICK = ["epochs=1", "min_steps=1", "model.width=16"]


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """refused(arguments, *parts): the command ends with 2, one line that holds every part, and no file more or less.

    With `finished`, whole shards are left behind for the next run, the line says so, and they are put away.
    """

    def run(arguments: list[Any], *parts: str, out: Path = tmp_path / "results" / "out", finished: int = 0) -> str:
        out.parent.mkdir(exist_ok=True)
        before = listing(tmp_path)
        capfd.readouterr()
        status = main([str(a) for a in arguments] + ["--out", str(out)])
        stderr = capfd.readouterr().err
        assert len(stderr.splitlines()) == 1, stderr
        assert stderr.startswith("m3n: "), stderr
        assert [part for part in parts if part not in stderr] == [], stderr
        assert status == 2
        staging = out.with_name(f"{out.name}.partial")
        if finished:
            assert f"finished shards are kept in {staging}" in stderr
            assert sum(tables.read_schema(shard) is not None for shard in staging.iterdir()) == finished
            shutil.rmtree(staging)
        assert listing(tmp_path) == before
        return stderr

    return run


def save(folder: Path, items: list[dict[str, Any]], columns: pa.Schema, rows_per_shard: int = 64) -> Path:
    folder.mkdir()
    tables.write_table(folder, items, columns, rows_per_shard)
    if not items:
        tables.write_shard(folder / "part-00000.parquet", columns.empty_table())
    return folder


def without(folder: Path, column: str) -> Path:
    """The same table with one column less."""
    for shard in tables.shard_paths(folder):
        pq.write_table(pq.ParquetFile(shard).read().drop_columns([column]), shard)
    return folder


def damaged(folder: Path) -> Path:
    """The same table with its last shard cut short."""
    shard = tables.shard_paths(folder)[-1]
    shard.write_bytes(shard.read_bytes()[:-100])
    return folder


# tables of poses, of synthetic clips and of recordings; each with two rows in two shards


@pytest.fixture
def poses(tmp_path, pose_clip) -> Callable[..., Path]:
    def make(**second: Any) -> Path:
        return save(tmp_path / "poses", [pose_clip("good"), pose_clip("bad") | second], schema.POSE_CLIPS, 1)

    return make


@pytest.fixture
def synthetic(tmp_path, synthetic_clip) -> Callable[..., Path]:
    def make(**second: Any) -> Path:
        rows = [synthetic_clip("good"), synthetic_clip("bad") | second]
        return save(tmp_path / "synthetic", rows, schema.synthetic_clips(WRISTS), 1)

    return make


@pytest.fixture
def recordings(tmp_path, recording) -> Callable[..., Path]:
    def make(**last: Any) -> Path:
        rows = [recording(f"{s}-{a}", subject=s, label=a) for s in ("s1", "s2", "s3") for a in ("wave", "shake")]
        return save(
            tmp_path / "recordings", [*rows[:-1], rows[-1] | {"recording_id": "bad"} | last], schema.imu_recordings(), 3
        )

    return make


def small_checkpoint(folder: Path, placements: tuple[str, ...] = WRISTS, **changes: Any) -> Path:
    """An untrained checkpoint of width 16; `changes` go into its description only, so that weights and words may disagree."""
    model = ModelConfig(width=16, depth=1, embedding=8)
    weights = Multi3Net(placements, POSE_FEATURES, 12, **model.model_dump()).state_dict()
    folder.mkdir()
    made = checkpoints.Checkpoint("multi3net", weights, model, WindowsConfig(), list(placements), Normaliser(10, 1))
    checkpoints.save(folder, made)
    description = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps(description | changes))
    return folder


# the command line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["finetun", "x"], ("finetun",)),
        (["simulate", "x", "--otu", "y"], ("--otu",)),
        (["simulate", "--out", "y"], ("POSES",)),
        (["simulate", "x"], ("--out",)),
        (["tune", "x", "y", "--out", "z"], ("--space",)),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_one_line(capfd, arguments, parts):
    assert main(arguments) == 2
    stderr = capfd.readouterr().err
    assert len(stderr.splitlines()) == 1
    assert all(part in stderr for part in parts)


def test_m3n_alone_shows_its_help(capfd):
    assert main([]) == 2
    shown = capfd.readouterr()
    assert "Commands:" in shown.err + shown.out
    assert "m3n: " not in shown.err


def test_a_process_ends_with_2_for_bad_input_and_with_1_and_a_traceback_for_a_fault_of_m3n(tmp_path, poses):
    bad = poses()
    without(bad, "trans")
    program = Path(sys.executable).with_name("m3n")
    done = subprocess.run([program, "simulate", bad, "--out", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "column 'trans' is missing" in done.stderr
    script = "import m3n.cli, m3n.sources, sys; m3n.sources.load = None; sys.argv[1:] = ['ingest', 'amass', '--out', 'x']; "
    script += "m3n.cli.entry()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_ray_adds_no_line_of_its_own(tmp_path, poses):
    """In a process of its own, so that Ray starts and everything it has to say is caught."""
    path = poses(fps=0.0)
    program = Path(sys.executable).with_name("m3n")
    done = subprocess.run([program, "simulate", path, "--out", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [line for line in done.stderr.splitlines() if line.startswith("m3n: ")]
    assert done.returncode == 2
    assert "fps is 0" in done.stderr
    assert "'bad'" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.partial", "poses"]
    assert sorted(p.name for p in (tmp_path / "out.partial").iterdir()) == ["part-00000.parquet", "part-00001.parquet"]


# config


def config_cases(folder: Path) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    (folder / "bad.yaml").write_text("simulate: {rate_hz: 50\n")
    (folder / "typo.yaml").write_text(
        "finetune: {freez: frozen}\npretrain: {seeed: 1}\nsimulate: {rate: 1}\ningest: {clip: 1}\n"
    )
    (folder / "section.yaml").write_text("finetunes: {freeze: frozen}\n")
    yield ["no_such_key=1"], ("unknown config key 'no_such_key'",)
    yield ["seed=-1"], ("seed", "-1")
    yield ["seed=one"], ("seed", "one")
    yield ["seed"], ("'seed'",)
    yield ["--config", str(folder / "absent.yaml")], ("absent.yaml", "expected a YAML file, or one of", "demo")
    yield ["--config", str(folder)], (str(folder),)
    yield ["--config", str(folder / "bad.yaml")], ("bad.yaml", "not valid YAML")
    yield ["--config", str(folder / "typo.yaml")], ("typo.yaml", "did you mean")
    yield ["--config", str(folder / "section.yaml")], ("section.yaml", "'finetunes'", "did you mean 'finetune'")


@pytest.mark.parametrize(
    "command", [["ingest", "choreography"], ["simulate", "x"], ["pretrain", "x"], ["finetune", "x"]], ids=lambda c: c[0]
)
def test_a_bad_config_is_refused_by_key_or_file_before_any_input_is_looked_at(refused, tmp_path, command):
    for arguments, parts in config_cases(tmp_path):
        takes_words = command[0] in ("ingest", "pretrain")  # a word without = is a file or a table
        refused([*command, *arguments], *(() if takes_words and arguments == ["seed"] else parts))


@pytest.mark.parametrize(
    ("command", "setting", "parts"),
    [
        ("simulate", "placements=[left_wrist,elbow]", ("unknown placement 'elbow'", "right_ankle")),
        ("simulate", "placements=left_wrist", ("placements", "list")),
        ("simulate", "sensor=phone", ("sensor", "phone", "'ideal'")),
        ("simulate", "rate_hz=0", ("rate_hz", "0")),
        ("simulate", "rate_hz=.inf", ("rate_hz", "finite")),
        ("pretrain", "model.width=20", ("model.width", "20")),
        ("pretrain", "windows.window_s=0.01", ("windows.window_s", "pose frame")),
        ("pretrain", "optim.batch_size=1", ("optim.batch_size", "1")),
        ("finetune", "placements=[Wrist]", ("unknown placement 'Wrist'",)),
        ("finetune", "freeze=most", ("freeze", "most", "'not_frozen', 'frozen'")),
        ("finetune", "fold=7", ("fold is 7", "folds = 5")),
        ("finetune", "label_fraction=0", ("label_fraction", "0")),
    ],
)
def test_a_setting_that_cannot_be_is_named(refused, command, setting, parts):
    refused([command, "x", setting], *parts)


# where results go


def test_an_earlier_result_survives_bad_input(refused, tmp_path, poses, recordings, synthetic):
    out = tmp_path / "results" / "out"
    out.mkdir(parents=True)
    (out / "manifest.json").write_text("{}")
    (out / "result").write_text("mine")
    refused(["simulate", damaged(poses())], "part-00001.parquet")
    refused(["pretrain", synthetic(), "workers=1", "windows.window_s=9"], "shorter than a window")
    refused(["finetune", recordings(), "test_subjects=[nobody]"], "nobody")
    refused(["ingest", "amass", tmp_path / "absent"], "absent")


@pytest.mark.parametrize("command", ["ingest", "simulate", "pretrain", "finetune"])
def test_a_folder_that_m3n_did_not_make_is_not_touched(refused, tmp_path, command, request):
    replaced = tmp_path / "thesis" / "poses" if command == "ingest" else tmp_path / "thesis"  # what the command would write
    replaced.mkdir(parents=True)
    (replaced / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    table = {"simulate": "poses", "pretrain": "synthetic", "finetune": "recordings"}.get(command)
    given = request.getfixturevalue(table)() if table else "choreography"
    settings = {"ingest": ["clips=1"], "finetune": ["folds=3"]}.get(command, [])
    refused([command, given, *settings], "thesis", "was not made by m3n", out=tmp_path / "thesis")
    refused([command, given, *settings], "file", "is a file", out=tmp_path / "file")
    if table:
        refused([command, given, *settings], "holds the input", out=given)


def test_figures_that_cannot_be_written_are_refused_before_the_work(refused, tmp_path):
    (tmp_path / "file").write_text("x")
    refused(["ingest", "choreography", "clips=1", "--json", tmp_path], str(tmp_path), "--json")
    refused(["ingest", "choreography", "clips=1", "--json", tmp_path / "file" / "figures.json"], "figures.json", "--json")


# ingest


def motion(folder: Path, **changes: Any) -> Path:
    standing = np.zeros((20, 156))
    standing[:, 0] = np.pi / 2  # upright in a world that has z up
    content = {"poses": standing, "trans": np.zeros((20, 3)), "betas": np.zeros(16), "mocap_framerate": 60.0}
    np.savez(folder / "motion.npz", **{k: v for k, v in (content | changes).items() if v is not None})
    return folder / "motion.npz"


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"poses": np.full((20, 156), np.nan)}, ("poses is nan at frame 0, column 0",)),
        ({"poses": np.zeros((20, 100))}, ("(20, 100)", "156")),
        ({"poses": None}, ("poses", "missing")),
        ({"poses": np.zeros((1, 156)), "trans": np.zeros((1, 3))}, ("n_frames is 1",)),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, ("n_frames is 0",)),
        ({"trans": np.zeros((19, 3))}, ("trans", "(19, 3)")),
        ({"mocap_framerate": 0.0}, ("fps is 0",)),
        ({"mocap_framerate": -30.0}, ("fps is -30",)),
        ({"mocap_framerate": None}, ("mocap_framerate", "missing")),
        ({"betas": np.array(["tall"])}, ("betas", "numbers")),
        ({"poses": np.array([{"a": 1}], dtype=object)}, ("plain arrays",)),
    ],
)
def test_poses_that_cannot_be_are_refused_with_the_file_and_the_reason(refused, tmp_path, changes, parts):
    refused(["ingest", "amass", motion(tmp_path, **changes)], "motion", *parts)


def test_sources_and_their_paths(refused, tmp_path):
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "watch.npy", np.zeros(3))
    refused(["ingest", "seglearn_wacth"], "unknown source 'seglearn_wacth'", "did you mean 'seglearn_watch'")
    refused(["ingest", "amass"], "amass", "PATH")
    refused(["ingest", "utd_mhad"], "utd_mhad", "PATH")
    refused(["ingest", "amass", tmp_path / "absent.npz"], "absent.npz does not exist")
    refused(["ingest", "amass", tmp_path / "empty"], "empty", "no .npz file")
    refused(["ingest", "amass", "a", "b"], "expected one PATH, found 2: a b")
    refused(["ingest", "utd_mhad", tmp_path / "text.zip"], "text.zip")
    refused(["ingest", "utd_mhad", tmp_path / "empty"], "empty", "no UTD-MHAD files")
    refused(["ingest", "seglearn_watch", tmp_path / "watch.npy"], "watch.npy")
    refused(["ingest", "seglearn_watch", tmp_path / "text.zip"], "text.zip")
    refused(["ingest", "choreography", tmp_path / "text.zip"], "needs no file")


# simulate


def test_tables_that_cannot_be_read_are_named(refused, tmp_path, poses):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("hello")
    good = poses()
    for command in ("simulate", "pretrain", "finetune"):
        refused([command, tmp_path / "absent"], "absent does not exist")
        refused([command, tmp_path / "empty"], "empty holds no .parquet shard")
        refused([command, tmp_path / "text.parquet"], "text.parquet cannot be read as Parquet")
        if command != "simulate":
            refused([command, good], "part-00000.parquet", "no imu_<placement> column")
    refused(["simulate", damaged(good)], "part-00001.parquet cannot be read as Parquet")


@pytest.mark.parametrize("column", ["poses", "fps", "clip_id"])
def test_a_pose_table_with_a_missing_column_names_it(refused, poses, column):
    refused(["simulate", without(poses(), column)], f"column '{column}' is missing", "part-00000.parquet")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"poses": np.where(np.arange(120 * 72) == 72 * 3 + 5, np.nan, 0)}, "poses is nan at frame 3, column 5"),
        ({"poses": np.zeros(120 * 66)}, "poses has 7920 values, expected 120 x 72 = 8640"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_pose_clip_is_named_by_file_row_and_reason(refused, poses, changes, reason):
    refused(["simulate", poses(**changes)], "part-00001.parquet row 0", reason, "max_rejected", finished=2)


def test_an_empty_pose_table_is_refused(refused, tmp_path):
    refused(["simulate", save(tmp_path / "poses", [], schema.POSE_CLIPS)], "poses is empty")


def test_a_clip_that_stands_there_twice_is_named(refused, tmp_path, pose_clip):
    table = save(tmp_path / "poses", [pose_clip("same"), pose_clip("same")], schema.POSE_CLIPS)
    refused(["simulate", table], "row 1 (clip 'same')", "duplicate clip_id 'same'", finished=1)


# pretrain


@pytest.mark.parametrize("column", ["n_samples", "trans", "text"])
def test_a_synthetic_table_with_a_missing_column_names_it(refused, synthetic, column):
    refused(["pretrain", without(synthetic(), column)], f"column '{column}' is missing", "part-00000.parquet")


def test_shards_of_different_placements_are_no_table(refused, synthetic):
    table = synthetic()
    shard = table / "part-00001.parquet"
    pq.write_table(pq.ParquetFile(shard).read().drop_columns(["imu_right_wrist"]), shard)
    refused(["pretrain", table], "part-00001.parquet", "imu_right_wrist")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"imu_left_wrist": np.full(239 * 6, np.inf)}, "imu_left_wrist is inf at frame 0, column 0"),
        ({"imu_left_wrist": np.zeros(30)}, "imu_left_wrist has 30 values, expected 239 x 6"),
        ({"imu_right_wrist": None}, "imu_right_wrist is null"),
        ({"rate_hz": 0.0}, "rate_hz is 0.0"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"n_samples": None}, "n_samples is None"),
        ({"poses": np.full(120 * 72, np.nan)}, "poses is nan"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_synthetic_clip_is_named_by_file_row_and_reason(refused, synthetic, changes, reason):
    refused(["pretrain", synthetic(**changes), "workers=1"], "part-00001.parquet row 0 (clip 'bad')", reason)


def test_clips_that_give_no_window_are_refused(refused, tmp_path, synthetic, synthetic_clip):
    table = synthetic()
    refused(
        ["pretrain", table, "workers=1", "windows.window_s=4.5"], "clip 'good' lasts 3.97 s, shorter than a window of 4.5 s"
    )
    refused(["pretrain", table, "workers=1", "exclude_subjects=[s1]"], "every clip is excluded")
    rows = [synthetic_clip("long"), synthetic_clip("brief", frames=30)]
    some = save(tmp_path / "some", rows, schema.synthetic_clips(WRISTS))
    refused(["pretrain", some, "workers=1"], "clip 'brief' lasts 0.97 s", "1 of 2 clips", "windows.max_short")
    refused(["pretrain", save(tmp_path / "none", [], schema.synthetic_clips(WRISTS)), "workers=1"], "the table is empty")


def test_a_text_model_that_is_not_there_is_named(refused, tmp_path, synthetic):
    refused(["pretrain", synthetic(), "workers=1", f"text_model={tmp_path / 'no_model'}"], "no_model")


def test_what_only_the_workers_find_out_is_one_line_too(refused, synthetic, ray_cluster):
    table = synthetic()
    settings = ["windows.window_s=3.9", "val_share=0", "workers=2", "model.width=16"]
    refused(["pretrain", table, *settings, "optim.groups={imu_: {lr: 0.1}}"], "no parameter matches 'imu_'")


def test_fewer_windows_than_workers_are_refused_before_any_worker_starts(refused, ray_cluster, tmp_path, synthetic_clip):
    table = save(tmp_path / "one", [synthetic_clip("one")], schema.synthetic_clips(WRISTS))
    refused(["pretrain", table, "windows.window_s=3.9"], "1 training windows are too few for batches on 2 workers")


def test_validation_never_takes_everybody(refused, synthetic, tmp_path, synthetic_clip):
    table = save(tmp_path / "two", [synthetic_clip(s, subject=s) for s in ("s1", "s2")], schema.synthetic_clips(WRISTS))
    refused(["pretrain", table, "workers=1", "val_share=0.99", "windows.window_s=3.9"], "1 training windows are too few")


# finetune


@pytest.mark.parametrize("column", ["subject", "rate_hz", "segments"])
def test_a_recordings_table_with_a_missing_column_names_it(refused, recordings, column):
    refused(["finetune", without(recordings(), column)], f"column '{column}' is missing", "part-00000.parquet")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"imu_right_wrist": np.full((200, 6), np.nan)}, "imu_right_wrist is nan at frame 0, column 0"),
        ({"imu_right_wrist": np.zeros((200, 5))}, "imu_right_wrist has 1000 values, expected 200 x 6 = 1200"),
        ({"imu_right_wrist": None}, "no placement was worn"),
        ({"rate_hz": 0.0}, "rate_hz is 0.0"),
        ({"n_samples": 0}, "n_samples is 0"),
        ({"subject": None}, "subject is null"),
        ({"segments": [{"start_s": 3.0, "stop_s": 1.0, "label": "sit"}]}, "segment 'sit' runs from 3.0 s to 1.0 s"),
        ({"segments": [{"start_s": 0.0, "stop_s": 1.0, "label": None}]}, "segment 0 has no label"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_recording_is_named_by_file_row_and_reason(refused, recordings, changes, reason):
    refused(["finetune", recordings(**changes)], "part-00001.parquet row 2 (recording 'bad')", reason)


def test_an_empty_recordings_table_is_refused(refused, tmp_path):
    refused(["finetune", save(tmp_path / "none", [], schema.imu_recordings())], "none is empty")


def test_recordings_without_labels_are_refused(refused, tmp_path, recording):
    table = save(tmp_path / "r", [recording(s, subject=s, label=None) for s in "abcde"], schema.imu_recordings())
    refused(["finetune", table], "no labelled window")


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["test_subjects=[s1]", "train_subjects=[s1,s2]"], ("subject 's1' is in both train and test",)),
        (["test_subjects=[s1]", "val_subjects=[s1]"], ("subject 's1' is in both val and test",)),
        (["test_subjects=[s1]", "val_subjects=[s2]", "train_subjects=[s2,s3]"], ("subject 's2' is in both train and val",)),
        (["test_subjects=[s9]"], ("no recording of subject 's9'", "did you mean")),
        (["test_subjects=[s1,s2,s3]"], ("no subject is left to train on",)),
        (["test_subjects=[]"], ("no subject is left to test on",)),
        (["folds=3", "train_subjects=3"], ("train_subjects is 3", "2 subjects")),
        ([], ("3 subjects cannot fill 5 folds",)),
        (["folds=3", "placements=[head]"], ("has the placement 'head'", "right_wrist")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_subjects_and_placements_that_do_not_fit_the_recordings_are_named(refused, recordings, settings, parts):
    refused(["finetune", recordings(), *QUICK, *settings], *parts)


def test_a_checkpoint_that_cannot_be_used_is_named_with_the_reason(refused, tmp_path, recordings):
    table = recordings()
    (tmp_path / "empty").mkdir()
    good = small_checkpoint(tmp_path / "good")
    other = small_checkpoint(tmp_path / "other", architecture=ModelConfig(width=32, depth=1, embedding=8).model_dump())
    future = small_checkpoint(tmp_path / "future", architecture=ModelConfig().model_dump() | {"imu_encoder": "mamba"})
    bare = small_checkpoint(tmp_path / "bare", architecture={})
    odd = small_checkpoint(tmp_path / "odd", windows={"window_s": -1})
    classifier = small_checkpoint(tmp_path / "classifier", kind="classifier")
    legs = small_checkpoint(tmp_path / "legs", placements=("left_thigh", "right_thigh"))
    cut = small_checkpoint(tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-5])
    base = ["finetune", table, "folds=3", "epochs=1", "min_steps=1", "--checkpoint"]
    refused([*base, tmp_path / "absent"], "absent holds no checkpoint.json")
    refused([*base, tmp_path / "empty"], "empty holds no checkpoint.json")
    refused([*base, classifier], "classifier holds a classifier checkpoint", "m3n pretrain")
    refused([*base, cut], "cut is not a readable checkpoint")
    refused([*base, other], "another architecture", "encoders.0.stem")
    refused([*base, future], "future", "imu_encoder", "mamba")
    refused([*base, bare], "another architecture", "encoders.0.stem")
    refused([*base, odd], "odd", "window_s")
    refused([*base, small_checkpoint(tmp_path / "tail", placements=("left_wrist", "a tail"))], "a tail", "unknown placement")
    refused([*base, legs], "no placement in common", "right_wrist", "left_thigh")
    refused([*base, legs, "placements=[right_wrist]"], "right_wrist", "left_thigh")
    refused([*base, good, "model.width=32"], "model.width is 32", "another architecture", "16")
    refused([*base, good, "windows.rate_hz=25"], "windows.rate_hz is 25", "50")


def test_the_same_commands_on_good_input_do_work(tmp_path, recordings):
    """So that none of the above is refused for another reason than its own."""
    good = small_checkpoint(tmp_path / "good")
    base = ["finetune", str(recordings()), "folds=3", "epochs=1", "min_steps=1", "--checkpoint", str(good)]
    assert main([*base, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "new" / "figures.json")]) == 0
    assert json.loads((tmp_path / "new" / "figures.json").read_text())["test_subjects"]
    shutil.rmtree(tmp_path / "out")
    assert main(["ingest", "amass", str(motion(tmp_path)), "--out", str(tmp_path / "out")]) == 0
