"""One cell of the grid: its settings, what it rehearses, and what it must not swallow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from filmed_clips import SHAPE, WRIST, damage, filmed, pretrained_on

from m3n.commands.reproduce import cells
from m3n.config import FinetuneConfig
from m3n.errors import InputError, NoWindowsError


@pytest.fixture
def clips(tmp_path, synthetic_clip):
    return filmed(tmp_path / "synthetic", synthetic_clip)


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
    (tmp_path / "cell.json").write_text(json.dumps(content))
    found = cells.CellResult.read(tmp_path / "cell.json")
    assert json.loads(json.dumps(asdict(found))) == content | {"start": ""}
    assert list(asdict(found)) == [*content, "start"]
    assert found.test_subjects == ("s1",)


@pytest.mark.parametrize(
    ("method", "setting", "expected"),
    [
        ("scratch", "none", {"rehearse": 0.0, "head": "linear"}),
        ("co_trained", "same_corpus", {"rehearse": 0.5}),
        ("zero_shot", "same_corpus", {"head": "text"}),
        ("not_frozen", "same_corpus", {"start": "as_set", "rehearse": 0.25}),
        ("auto", "same_corpus", {"start": "auto", "rehearse": 0.25}),
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
