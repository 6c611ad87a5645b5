"""The evidence: intervals over people, baselines that can learn, and leakage that ends a run before it starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m3n import schema
from m3n.commands.reproduce.cells import Cell
from m3n.commands.reproduce.data import _subjects, pretraining_key
from m3n.config import FinetuneConfig, WindowsConfig
from m3n.data.splits import check_leakage, draw_labels
from m3n.data.windows import cut_recordings
from m3n.errors import InputError
from m3n.evaluation.baselines import MiniRocket, _course, minirocket, random_forest, statistics
from m3n.evaluation.intervals import estimate, paired_difference, pooled_interval
from m3n.io import tables


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says():
    """500 studies of 10 people drawn from a known distribution; the percentile bootstrap is a little narrow for so few."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        found = estimate({f"s{i}": [score] for i, score in enumerate(rng.normal(0.7, 0.1, 10))})
        covered += found.low <= 0.7 <= found.high
    assert 0.86 <= covered / 500 <= 0.97


def test_seeds_of_a_person_are_averaged_first():
    found = estimate({"a": [0.2, 0.4], "b": [0.7]})
    assert found.mean == pytest.approx((0.3 + 0.7) / 2)
    assert found.sd == pytest.approx(np.std([0.3, 0.7], ddof=1))
    assert (found.low, found.high) == pytest.approx((0.3, 0.7))


def test_a_paired_difference_takes_the_person_out():
    """Everybody gains 0.05, though people differ by far more than that."""
    base = {f"s{i}": {0: 0.1 * i, 1: 0.1 * i + 0.01} for i in range(8)}
    ours = {subject: {seed: score + 0.05 for seed, score in by_seed.items()} for subject, by_seed in base.items()}
    found = paired_difference(ours, base)
    assert (found.mean, found.low, found.high) == pytest.approx((0.05, 0.05, 0.05))
    assert paired_difference({"s0": {7: 1.0}}, base) is None  # no seed in common


def test_a_pooled_interval_is_that_of_resampled_people():
    """By hand for two people: one all right (F1 1), one all wrong (F1 0), both together F1 1/2."""
    right, wrong = np.array([[5, 0], [0, 5]]), np.array([[0, 5], [5, 0]])
    assert pooled_interval(np.array([right, wrong])) == [0.0, 1.0]  # both draws of the same person are likelier than 2.5 %
    assert pooled_interval(np.array([right, right])) == [1.0, 1.0]
    half = np.array([[5, 5], [5, 5]])
    assert pooled_interval(np.array([half] * 3)) == pytest.approx([0.5, 0.5])


@pytest.fixture(scope="module")
def windows(recording):
    """Two gestures by four people."""
    rows = [
        recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], subject=f"s{i // 2}", worn="right_wrist")
        for i in range(8)
    ]
    rng = np.random.default_rng(0)
    for row in rows:
        row["imu_right_wrist"] = row["imu_right_wrist"] + rng.normal(0, 0.3, row["imu_right_wrist"].shape).astype(np.float32)
    return cut_recordings(rows, WindowsConfig(), ("right_wrist",))


def people(windows, *subjects):
    return windows.subset(np.isin(windows.subject, subjects))


@pytest.mark.parametrize("baseline", [random_forest, minirocket])
def test_a_baseline_learns_what_can_be_told_apart_and_the_seed_decides(windows, baseline):
    train, test = people(windows, "s0", "s1"), people(windows, "s2", "s3")
    scores = baseline(train, test, 0)
    assert scores.shape == (len(test.label), 2)
    assert np.mean(scores.argmax(1) == test.label) == 1.0
    np.testing.assert_array_equal(scores, baseline(train, test, 0))


def test_a_class_that_was_not_trained_on_scores_nothing(windows):
    train = people(windows, "s0").subset(people(windows, "s0").label == 1)
    assert (random_forest(train, people(windows, "s1"), 0)[:, 0] == 0).all()


def test_statistics_are_finite_even_of_a_watch_that_lies_still():
    assert np.isfinite(statistics(np.zeros((2, 1, 50, 6), np.float32))).all()


def test_the_course_of_a_window_leaves_out_the_stillness_that_fills_it_up():
    full, short = np.random.default_rng(0).normal(size=(2, 1, 48, 6))
    short[:, 24:] = short[:, 23:24]
    means = np.stack(list(_course(np.stack([full, short])))[0::2])
    deviations = np.stack(list(_course(np.stack([full, short])))[1::2])
    for n, values in enumerate((full, short[:, :24])):
        parts = np.split(values[0], 8)
        np.testing.assert_allclose(means[:, n, 0], [part.mean(0) for part in parts], atol=1e-9)
        np.testing.assert_allclose(deviations[:, n, 0], [part.std(0) for part in parts], atol=1e-6)


def test_minirocket_counts_the_share_of_positive_values():
    """One kernel, worked out by hand: a convolution of the summed channels with weights 2 and -1, against a bias."""
    x = np.random.default_rng(0).normal(size=(5, 1, 60, 6)).astype(np.float32)
    rocket = MiniRocket(x, seed=3)
    dilation, weights, biases = rocket.parts[1]
    found = rocket(x)
    assert found.shape[0] == 5
    assert 9000 < found.shape[1] <= 9996
    assert ((found >= 0) & (found <= 1)).all()
    kernel, start = 7, rocket.parts[0][2].numel()
    padded = np.pad(x[2, 0], ((4 * dilation, 4 * dilation), (0, 0)))
    output = np.array(
        [
            sum((weights[kernel, c, j] * padded[t + j * dilation, c]).item() for c in range(6) for j in range(9))
            for t in range(60)
        ]
    )
    assert found[2, start + kernel] == pytest.approx(np.mean(output > biases[kernel, 0].item()), abs=1 / 60 + 1e-6)


def test_nothing_leaks_between_other_people(windows):
    check_leakage(people(windows, "s0", "s1"), people(windows, "s2"), {"test": ["s0"]}, allow_seen=False)


def test_a_subject_or_a_recording_on_both_sides_fails(windows):
    with pytest.raises(InputError, match="leakage: subject 's1' is both trained and tested on"):
        check_leakage(people(windows, "s0", "s1"), people(windows, "s1"), {}, allow_seen=False)


def test_the_same_samples_under_another_name_fail(windows):
    test = people(windows, "s2")
    test.imu_npt6 = test.imu_npt6.copy()
    test.imu_npt6[3] = people(windows, "s0").imu_npt6[1]
    with pytest.raises(
        InputError, match=r"leakage: the window of test recording 'r4' at 3 s is trained on too, sample for sample"
    ):
        check_leakage(people(windows, "s0"), test, {}, allow_seen=False)


def test_watches_that_lie_still_are_not_copies_of_each_other(windows):
    train, test = people(windows, "s0"), people(windows, "s1")
    for part in (train, test):
        part.imu_npt6 = np.zeros_like(part.imu_npt6)
    check_leakage(train, test, {}, allow_seen=False)


def test_poses_of_a_test_subject_in_the_pretraining_corpus_fail_unless_allowed(windows):
    train, test = people(windows, "s0"), people(windows, "s1", "s2")
    with pytest.raises(InputError, match=r"leakage: poses of test subject 's2' of test .* exclude_subjects=\[s2\]"):
        check_leakage(train, test, {"test": ["s2"], "other": ["s1"]}, allow_seen=False)
    check_leakage(train, test, {"test": ["s2"]}, allow_seen=True)


def test_so_many_labelled_examples_of_every_class(windows):
    chosen = draw_labels(windows.label, windows.example, 1.0, 0, per_class=1)
    drawn = windows.subset(chosen)
    assert sorted(drawn.label[np.unique(drawn.example, return_index=True)[1]].tolist()) == [0, 1]
    more = draw_labels(windows.label, windows.example, 1.0, 0, per_class=2)
    assert set(chosen) < set(more)


def test_an_example_is_a_stretch_with_one_label(recording):
    segments = [{"start_s": 0.0, "stop_s": 6.0, "label": "a"}, {"start_s": 6.0, "stop_s": 12.0, "label": "b"},
                {"start_s": 12.0, "stop_s": 18.0, "label": "a"}]  # fmt: skip
    rows = [recording("r0", seconds=18.0, label=None, segments=segments), recording("r1", label="a")]
    found = cut_recordings(rows, WindowsConfig(), ("right_wrist",))
    assert len(np.unique(found.example)) == 4  # a, b and a again in the first, and the second recording
    without = cut_recordings(rows, WindowsConfig(), ("right_wrist",), ignore=["a"])
    assert without.classes == ["b"]
    assert without.start_s.min() >= 5.0


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
