"""One cell of the grid: its settings, what it rehearses, and what it must not swallow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from m3n import schema
from m3n.commands.reproduce import cells
from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.errors import InputError, NoWindowsError
from m3n.io import tables
from m3n.training.checkpoint import Checkpoint

SHAPE = WindowsConfig(window_s=1.0, hop_s=1.0)


WRIST = ("right_wrist",)


@pytest.fixture
def clips(tmp_path, synthetic_clip):
    """Two labels by two people, and a label that no recording has."""
    rows = [
        synthetic_clip(f"{who}-{label}", 41, 20.0, subject=who, source="film", label=label)
        for who in ("anna", "bela")
        for label in ("knock", "wave", "bow")
    ]
    folder = tmp_path / "synthetic"
    folder.mkdir()
    tables.write_table(folder, rows, schema.synthetic_clips(("left_wrist", "right_wrist")), rows_per_shard=4)
    return folder


def pretrained_on(*subjects: str) -> Checkpoint:
    return Checkpoint(
        "multi3net",
        {},
        ModelConfig(),
        SHAPE,
        list(WRIST),
        Normaliser(9.8, 1.0),
        subjects={"film": [*subjects]},
    )


def damage(folder: Path, clip_id: str) -> None:
    """Put a NaN into the samples of one clip."""
    schema_of = schema.synthetic_clips(("left_wrist", "right_wrist"))
    for shard in tables.shard_paths(folder):
        rows = list(tables.rows(tables.read_shard(shard, schema_of)))
        for row in rows:
            if row["clip_id"] == clip_id:
                row["imu_right_wrist"] = np.where(np.arange(row["imu_right_wrist"].size) == 9, np.nan, row["imu_right_wrist"])
        tables.write_shard(shard, tables.to_table(rows, schema_of))


def test_a_nan_in_a_clip_does_not_switch_rehearsal_off_in_a_cell(clips, monkeypatch):
    damage(clips, "anna-wave")
    monkeypatch.setattr(cells, "load_pretrained", lambda folder: pretrained_on("anna"))
    with pytest.raises(InputError, match="anna-wave"):
        cells.CellInputs().rehearsed(clips, Path("anna's"), SHAPE, WRIST, ("knock", "wave"), frozenset(), False)


def test_a_grid_rehearses_another_corpus_only_where_it_shows_every_class(clips, monkeypatch):
    monkeypatch.setattr(cells, "load_pretrained", lambda folder: pretrained_on("anna"))
    inputs = cells.CellInputs()

    def found(classes: list[str], own: bool):
        return inputs.rehearsed(clips, Path("anna's"), SHAPE, WRIST, tuple(classes), frozenset(), own)

    assert set(found(["knock", "wave"], False).recording_ids) == {"anna-knock", "anna-wave"}
    assert found(["knock", "wave", "sit"], False) is None
    assert found(["sit"], False) is None
    assert set(found(["knock", "sit"], True).recording_ids) == {"anna-knock"}
    with pytest.raises(NoWindowsError, match="has one of the recordings' labels"):
        found(["sit"], True)


def test_a_result_of_an_earlier_run_is_read_back(tmp_path):
    """The content of a file in `cells/` as runs have always written it."""
    content = {
        "dataset": "mine", "setting": "none", "method": "scratch", "labels": "10%", "seed": 0, "fold": 1, "test_subjects": ["s1"],
        "macro_f1": 0.5, "accuracy": 0.6, "window_macro_f1": 0.4, "train_examples": 3, "test_examples": 2,
        "per_class": {"a": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "count": 2}}, "confusion": [[1, 1], [0, 0]],
        "elapsed_s": 1.5,
    }  # fmt: skip
    assert asdict(cells.CellResult(**json.loads(json.dumps(content)))) == content
    assert list(asdict(cells.CellResult(**content))) == list(content)


@pytest.mark.parametrize(
    ("method", "setting", "expected"),
    [
        ("scratch", "none", {"rehearse": 0.0, "head": "linear"}),
        ("co_trained", "same_corpus", {"rehearse": 0.5}),
        ("zero_shot", "same_corpus", {"head": "text"}),
        ("paper", "same_corpus", {"epochs": 7, "min_steps": 9, "seed": 3}),
        ("deepconvlstm", "none", {"epochs": 7}),
    ],
)
def test_a_method_changes_its_own_settings_and_keeps_the_grid_s(method, setting, expected):
    grid = FinetuneConfig(epochs=7, min_steps=9, lr=0.5, rehearse=0.0 if method == "co_trained" else 0.25)
    found = cells.method_config(method, grid, seed=3, setting=setting)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.seed == 3
    assert method == "paper" or found.lr == 0.5
    if method == "deepconvlstm":
        assert found.model.imu_encoder == "conv_lstm"


def test_a_grid_that_rehearses_more_is_followed_by_the_co_trained():
    assert cells.method_config("co_trained", FinetuneConfig(rehearse=0.75), 0, "same_corpus").rehearse == 0.75


def test_a_worker_reads_a_table_once_for_several_cells(monkeypatch):
    read: list[Path] = []
    monkeypatch.setattr(cells, "load_pretrained", read.append)
    inputs = cells.CellInputs(kept=2)
    for name in ("a", "b", "a", "c", "c"):
        inputs.checkpoint(Path(name))
    assert read == [Path("a"), Path("b"), Path("c")]
