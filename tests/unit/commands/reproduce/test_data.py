"""Every fold starts from a pretraining without the poses of its test subjects, and without those alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n import schema
from m3n.commands.reproduce.cells import Cell
from m3n.commands.reproduce.data import _subjects, beside, pretraining_key, subject_parts
from m3n.config import FinetuneConfig, ReproduceConfig, check
from m3n.io import tables


@pytest.mark.parametrize(
    ("setting", "method", "key"),
    [
        ("none", "scratch", None),
        ("same_corpus", "not_frozen", "same_corpus-ours-fold2"),
        ("same_corpus", "paper", "same_corpus-paper-fold2"),
        ("cross_corpus", "frozen", "cross_corpus-ours"),
        ("all_corpora", "frozen", "all_corpora-ours-fold2"),
        ("all_corpora", "co_trained", "all_corpora-clips"),
    ],
)
def test_a_cell_starts_from_a_pretraining_without_the_poses_of_its_test_subjects(setting, method, key):
    cell = Cell(
        dataset="any", setting=setting, method=method, labels="10%", seed=0, fold=2, recordings=Path("recordings"),
        train_subjects=("a",), test_subjects=("b",), placements=("right_wrist",), finetune=FinetuneConfig(),
    )  # fmt: skip
    assert pretraining_key(cell) == key


def test_people_of_other_corpora_are_never_left_out_of_a_pretraining(tmp_path, synthetic_clip):
    people = [("a", "s2"), ("b", "s1"), ("a", "s1")]
    rows = [synthetic_clip(f"{source}-{who}", 5, 60.0, subject=who, source=source) for source, who in people]
    tables.write_table(tmp_path, rows, schema.synthetic_clips(("left_wrist", "right_wrist")), rows_per_shard=2)
    assert _subjects(tmp_path, "a") == ["s1", "s2"]
    assert _subjects(tmp_path, "b") == ["s1"]


def test_fewer_people_than_folds_are_tested_one_by_one(tmp_path, recording):
    rows = [recording(f"{number}", subject=who) for number, who in enumerate("bab")]
    tables.write_table(tmp_path, rows, schema.imu_recordings(), rows_per_shard=2)
    protocol = {"source": "any", "placements": ["left_wrist", "right_wrist"], "split": "k_fold", "folds": 4}
    config = check(ReproduceConfig, {"protocol": protocol})
    assert sorted(subject_parts(tmp_path, config)) == [(["a"], ["b"]), (["b"], ["a"])]


def test_a_corpus_is_found_beside_any_file(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ui_prmd.zip").touch()
    files = (tmp_path / "a" / "one.zip", tmp_path / "b" / "two.zip")
    assert beside(files, "ui_prmd") == (tmp_path / "b" / "ui_prmd.zip",)
    assert beside(files, "asf_amc") == ()
