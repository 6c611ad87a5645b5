"""Whose clips and recordings an evaluation scores, and who trains the probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n import schema
from m3n.commands.evaluate.data import check_subjects, clip_people, load_clips, load_recordings, recording_people
from m3n.config import EvaluateConfig, ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.errors import InputError
from m3n.io import tables
from m3n.training.checkpoint import Checkpoint

SHAPE = WindowsConfig(window_s=1.0, hop_s=1.0)
WRISTS = ["left_wrist", "right_wrist"]


def checkpoint(**subjects: list[str]) -> Checkpoint:
    return Checkpoint("multi3net", {}, ModelConfig(), SHAPE, WRISTS, Normaliser(9.8, 1.0), subjects=subjects)


def config(**settings: object) -> EvaluateConfig:
    return EvaluateConfig.model_validate({"sentences": "none"} | settings)


@pytest.fixture
def clips(tmp_path, synthetic_clip) -> Path:
    """Clips of anna and bela of a film, and one of nobody."""
    (tmp_path / "clips").mkdir()
    rows = [synthetic_clip(f"{who}-wave", 41, 20.0, subject=who, source="film") for who in ("anna", "bela", None)]
    tables.write_table(tmp_path / "clips", rows, schema.synthetic_clips(WRISTS), rows_per_shard=2)
    return tmp_path / "clips"


@pytest.fixture
def recordings(tmp_path, recording) -> Path:
    (tmp_path / "recordings").mkdir()
    rows = [recording(f"{who}-{label}", subject=who, label=label) for who in "abc" for label in ("wave", "shake")]
    tables.write_table(tmp_path / "recordings", rows, schema.imu_recordings(), rows_per_shard=4)
    return tmp_path / "recordings"


def test_a_clip_without_a_subject_is_a_person_of_its_own(clips, recordings):
    assert clip_people(clips) == {("film", "anna"), ("film", "bela"), ("film", "None-wave")}
    assert recording_people(recordings) == {("test", "a"), ("test", "b"), ("test", "c")}


def test_only_clips_of_people_that_were_not_trained_on_are_loaded(clips):
    found = load_clips(clips, SHAPE, checkpoint(film=["anna"], other=["bela"]), config())
    assert found.subjects == ["bela", "None-wave"]
    with pytest.raises(InputError, match=r"every subject of .* was trained on"):
        load_clips(clips, SHAPE, checkpoint(film=["anna", "bela", "None-wave"]), config())


def test_an_unknown_or_an_empty_list_of_subjects_is_refused():
    people = {("film", "anna"), ("film", "bela")}
    check_subjects(config(subjects=["anna"]), people)
    with pytest.raises(InputError, match="unknown subject 'ana', did you mean 'anna'"):
        check_subjects(config(subjects=["ana"]), people)
    with pytest.raises(InputError, match="subjects is empty"):
        check_subjects(config(subjects=[]), people)


def test_those_who_are_not_tested_train_the_probes(recordings):
    found = load_recordings(recordings, SHAPE, checkpoint(), config(subjects=["c"]))
    ((train, test),) = found.parts
    assert set(found.windows.subject[train]) == {"a", "b"}
    assert set(found.windows.subject[test]) == {"c"}
    assert (test == found.test).all()
    assert found.probes_by == "2 other subjects"


def test_where_everybody_is_tested_the_others_train_in_turn(recordings):
    found = load_recordings(recordings, SHAPE, checkpoint(), config())
    assert len(found.parts) == 3
    for train, test in found.parts:
        assert set(found.windows.subject[train]).isdisjoint(found.windows.subject[test])
        assert set(found.windows.subject[train | test]) == {"a", "b", "c"}
    assert sum(test.astype(int) for _, test in found.parts).tolist() == [1] * len(found.windows.label)


def test_a_single_tested_person_is_scored_without_probes(tmp_path, recording):
    rows = [recording(f"a-{label}", subject="a", label=label) for label in ("wave", "shake")]
    tables.write_table(tmp_path, rows, schema.imu_recordings(), rows_per_shard=4)
    assert load_recordings(tmp_path, SHAPE, checkpoint(), config()).parts == []
