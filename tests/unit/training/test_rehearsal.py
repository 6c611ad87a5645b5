"""Rehearsal: windows of the clips that were pretrained on go on teaching while a classifier is fine-tuned."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from filmed_clips import SHAPE, WRIST, damage, filmed

from m3n import schema
from m3n.config import AugmentConfig, FinetuneConfig, ModelConfig
from m3n.data.windows import cut_recordings
from m3n.errors import InputError, NoWindowsError
from m3n.io import tables
from m3n.training import finetune as training
from m3n.training.fit import fit
from m3n.training.rehearsal import rehearsal


@pytest.fixture
def clips(tmp_path, synthetic_clip):
    return filmed(tmp_path / "synthetic", synthetic_clip)


def test_only_clips_that_were_pretrained_on_and_have_a_label_of_the_recordings_are_rehearsed(clips):
    found = rehearsal(clips, SHAPE, WRIST, ["knock", "wave"], {"film": ["anna"]})
    assert set(found.subject) == {"anna"}
    assert found.classes == ["knock", "wave"]
    assert set(found.recording_ids) == {"anna-knock", "anna-wave"}
    with pytest.raises(InputError, match=r"no clip that was used in pretraining and has one of the recordings' labels \(sit\)"):
        rehearsal(clips, SHAPE, WRIST, ["sit"], {"film": ["anna", "bela"]})


def test_of_a_clip_with_segments_those_of_the_classes_are_rehearsed_and_nothing_else(tmp_path, synthetic_clip):
    """However the whole clip is labelled; standing still before and after, and other activities, teach nothing."""
    times = {"knock": (1.0, 3.0), "sit": (3.0, 6.0), "wave": (6.0, 8.0)}
    segments = [{"start_s": a, "stop_s": b, "label": name, "text": ""} for name, (a, b) in times.items()]
    rows = [
        synthetic_clip("c", frames=301, label="wave", segments=segments),
        synthetic_clip("d", frames=301, label="wave", segments=segments[1:2]),
    ]
    tables.write_table(tmp_path, rows, schema.synthetic_clips(("left_wrist", "right_wrist")), 8)
    found = rehearsal(tmp_path, SHAPE, WRIST, ["knock", "wave"], None)
    assert set(found.recording_ids) == {"c"}
    ends = found.start_s + SHAPE.window_s
    for number, name in enumerate(found.classes):
        start, stop = times[name]
        held = np.minimum(ends, stop) - np.maximum(found.start_s, start)
        assert (found.label == number).tolist() == (held > SHAPE.window_s / 2).tolist()
        assert (found.label == number).any()
        step_s = (np.arange(found.step_label_ns.shape[1]) + 0.5) * SHAPE.window_s / found.step_label_ns.shape[1]
        at = found.start_s[:, None] + step_s
        assert (found.step_label_ns == number).tolist() == ((at >= start) & (at < stop)).tolist()


def test_a_nan_in_a_clip_is_reported_as_such_and_not_as_a_missing_label(clips):
    damage(clips, "anna-wave")
    with pytest.raises(InputError, match=r"part-0000\d\.parquet .*anna-wave.* imu_right_wrist is nan at frame 1") as caught:
        rehearsal(clips, SHAPE, WRIST, ["knock", "wave"], {"film": ["anna"]})
    assert not isinstance(caught.value, NoWindowsError)


def test_without_a_checkpoint_all_clips_teach_but_those_of_the_people_held_out(clips):
    found = rehearsal(clips, SHAPE, WRIST, ["knock", "wave"], None, {("film", "bela"), ("elsewhere", "anna")})
    assert set(found.subject) == {"anna"}
    with pytest.raises(InputError, match="no clip that is of a subject that is not held out"):
        rehearsal(clips, SHAPE, WRIST, ["knock"], None, {("film", "bela"), ("film", "anna")})


@pytest.mark.parametrize(("said", "low", "high"), [("fast", 0.8, 1.0), ("slow", 0.0, 0.2)])
def test_what_is_rehearsed_is_learnt_beside_what_is_labelled(recording, said, low, high):
    """No labelled window turns about z: what such a window is, the rehearsed ones say."""

    def turning(axis: int, label: str):
        imu = np.zeros((100, 6), np.float32)
        imu[:, 2], imu[:, 3 + axis] = 9.81, 3 * np.sin(2 * np.pi * np.arange(100) / 50)
        return recording(f"{axis}{label}", seconds=2.0, label=label, imu_right_wrist=imu)

    labelled, synthetic, unseen = (
        cut_recordings(rows, SHAPE, WRIST, ["fast", "slow"])
        for rows in ([turning(0, "slow"), turning(1, "fast")], [turning(2, said)], [turning(2, "fast")])
    )
    still = AugmentConfig(turn_rad=0, tilt_rad=0, scale=0, noise=0, warp=0, mask=0, low_rate=0, placement_dropout=0)
    config = FinetuneConfig(
        rehearse=0.5, model=ModelConfig(width=16, depth=1), min_steps=80, epochs=1, batch_size=8, augment=still
    )
    made = fit(labelled, SHAPE, config, None, rehearsed=synthetic)
    assert (made.predict(labelled).argmax(1) == labelled.label).all()
    assert low <= made.predict(unseen)[:, 0].mean() <= high


def test_clips_of_the_own_data_set_and_of_others_are_drawn_in_turn(recording):
    """However few the own ones are; every kind is gone through before it is gone through again, from wherever one starts."""
    rows = [recording(f"own{k}", seconds=1.0, source="film", label="knock") for k in range(2)]
    rows += [recording(f"other{k}", seconds=1.0, source="game", label="knock") for k in range(6)]
    windows = cut_recordings(rows, SHAPE, WRIST, ["knock"])
    kinds = training._by_origin(windows, ["film"])
    assert [kind.tolist() for kind in kinds] == [[0, 1], [2, 3, 4, 5, 6, 7]]
    drawn = list(islice(training._in_turn(kinds, 0, "rehearse", 0), 24))
    assert sorted(drawn[0:4:2]) == sorted(drawn[4:8:2]) == [0, 1]
    assert sorted(drawn[1:12:2]) == sorted(drawn[13:24:2]) == [2, 3, 4, 5, 6, 7]
    for done in (1, 4, 13):
        assert list(islice(training._in_turn(kinds, 0, "rehearse", done), 24 - done)) == drawn[done:]
    assert [kind.tolist() for kind in training._by_origin(windows, ["radio"])] == [list(range(8))]
    assert [kind.tolist() for kind in training._by_origin(windows, [])] == [list(range(8))]
