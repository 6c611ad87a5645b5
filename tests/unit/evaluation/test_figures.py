"""Named figures from embeddings and windows, worked out by hand on a few of them."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.data.windows import ClipWindows, RecordingWindows
from m3n.evaluation.embed import ClipEmbeddings
from m3n.evaluation.figures import agreement, guessing, probe_scores, scored, sentence_retrieval, signal_figures

CLIPS = 4


def recordings(label: list[int], recording: list[int]) -> RecordingWindows:
    count, people = len(label), max(recording) + 1
    return RecordingWindows(
        imu_npt6=np.zeros((count, 1, 5, 6), np.float32),
        worn_np=np.ones((count, 1), bool),
        label=np.array(label),
        recording=np.array(recording),
        start_s=np.arange(count, dtype=float),
        rate_n=np.full(count, 50, np.float32),
        classes=["a", "b"],
        recording_ids=[f"r{i}" for i in range(people)],
        subjects=[f"s{i}" for i in range(people)],
        sources=["test"] * people,
        placements=("right_wrist",),
    )


def clips() -> ClipWindows:
    """Two windows each of four clips; the first two clips share a sentence, the last has none."""
    rng = np.random.default_rng(0)
    return ClipWindows(
        pose_nfd=np.zeros((2 * CLIPS, 3, 135), np.float32),
        imu_npt6=rng.normal(size=(2 * CLIPS, 2, 5, 6)).astype(np.float32),
        clip=np.repeat(np.arange(CLIPS), 2),
        clip_ids=[f"c{i}" for i in range(CLIPS)],
        sources=["test"] * CLIPS,
        subjects=["s"] * CLIPS,
        texts=["waves"] * 4 + ["bows"] * 2 + [""] * 2,
        labels=["wave"] * 4 + ["bow"] * 2 + [""] * 2,
        rates_hz=[50.0] * CLIPS,
        placements=("left_wrist", "right_wrist"),
        short=[],
    )


def embedded(windows: ClipWindows, imu_ne: np.ndarray) -> ClipEmbeddings:
    axes = np.eye(CLIPS)[windows.clip]
    return ClipEmbeddings(axes, imu_ne, windows.imu_npt6, 2 * windows.imu_npt6)


def test_embeddings_that_agree_are_found_at_rank_one_and_lie_at_no_distance():
    windows = clips()
    texts = np.array([[np.sqrt(0.5), np.sqrt(0.5), 0, 0], [0, 0, 1, 0]])
    found = agreement(windows, texts, embedded(windows, np.eye(CLIPS)[windows.clip]), max_windows=100, seed=0)
    assert found["retrieval"]["imu_to_pose"]["r1"] == found["retrieval"]["pose_to_imu"]["r1"] == 1.0
    assert found["retrieval"]["text_to_imu"]["r1"] == found["retrieval"]["imu_to_text"]["r1"] == 1.0
    assert (found["retrieval"]["text_to_imu"]["queries"], found["retrieval"]["imu_to_text"]["queries"]) == (2, 6)
    assert found["alignment"]["imu_pose"]["value"] == pytest.approx(0.0)
    assert found["alignment"]["imu_pose"]["chance"] == pytest.approx(2 - 2 / CLIPS)
    assert set(found["uniformity"]) == {"pose", "imu", "text"}


def test_no_more_windows_are_ranked_than_allowed():
    windows = clips()
    found = agreement(windows, np.eye(2, CLIPS), embedded(windows, np.eye(CLIPS)[windows.clip]), max_windows=5, seed=0)
    assert found["retrieval"]["imu_to_pose"]["items"] == 5


def test_signal_figures_look_at_the_chosen_placements_only():
    windows = clips()
    outputs = embedded(windows, np.eye(CLIPS)[windows.clip])
    outputs.pose2imu_npt6 = windows.imu_npt6 + np.array([0, 3])[None, :, None, None]  # the right wrist is off by 3
    left, right = (signal_figures(windows, outputs, [name]) for name in ("left_wrist", "right_wrist"))
    assert left["pose2imu_rmse_acc"] == 0
    assert right["pose2imu_rmse_acc"] == right["pose2imu_rmse_gyro"] == pytest.approx(3, rel=1e-6)
    assert right["reconstruction_r_acc"] == pytest.approx(1.0)


def test_a_recording_is_scored_by_the_mean_over_its_windows():
    """The first recording has one window of three wrong, and is right on average."""
    windows = recordings([0, 0, 0, 1], [0, 0, 0, 1])
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    found = scored(scores, windows, "probe")
    assert found["probe_accuracy"] == pytest.approx(3 / 4)
    assert found["probe_macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["probe_recording_macro_f1"] == found["probe_recording_accuracy"] == 1.0
    assert found["probe_confusion"] == [[2, 1], [0, 1]]


def test_a_guess_among_two_equally_frequent_classes_gets_a_half():
    found = guessing(recordings([0, 0, 1, 1], [0, 0, 1, 1]))
    assert found == {"chance_macro_f1": pytest.approx(0.5), "chance_recording_macro_f1": pytest.approx(0.5)}


def test_probes_score_the_windows_of_the_test_parts_alone():
    windows = recordings([0, 1, 0, 1, 0, 1], [0, 1, 2, 3, 4, 5])
    features = np.where(windows.label[:, None] == 0, [1.0, 0.0], [0.0, 1.0])
    train, test = np.array([1, 1, 0, 0, 0, 0], bool), np.array([0, 0, 1, 1, 0, 0], bool)
    for scores in probe_scores(features, windows, [(train, test)], neighbours=1, c=1.0).values():
        assert (scores[test].argmax(1) == windows.label[test]).all()
        assert (scores[~test] == 0).all()


def test_a_sentence_is_a_hit_for_the_windows_of_its_class():
    imu = np.array([[1.0, 0], [0, 1], [0, 1]])
    found = sentence_retrieval(imu, np.array([0, 1, 0]), np.array([[1.0, 0], [0, 1]]), np.array([0, 1]))
    assert found["real_imu_to_text"]["r1"] == pytest.approx(2 / 3)  # the last window lies at the other class's sentence
