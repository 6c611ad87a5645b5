"""Nobody is trained on and tested on, and every method is given the same labels."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np
import pytest
from gestures import by_four_people, people
from hypothesis import given, settings
from hypothesis import strategies as st

from m3n.data.splits import Split, check_leakage, draw_labels, held_out, make_split, subject_folds
from m3n.errors import InputError


@pytest.fixture(scope="module")
def windows(recording):
    return by_four_people(recording)


TEN = [f"s{i}" for i in range(10)]


def split(subjects=TEN, test=None, val=(), train=None, folds=5, fold=0, seed=0) -> Split:
    return make_split(subjects, test=test, val=val, train=train, folds=folds, fold=fold, seed=seed)


@settings(deadline=None, max_examples=50)
@given(
    subjects=st.sets(st.text("abz019é_- ", min_size=1, max_size=4), min_size=2, max_size=30),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_folds_hold_every_subject_once_and_differ_in_size_by_one_at_most(subjects, seed, data):
    folds = data.draw(st.integers(2, len(subjects)))
    dealt = subject_folds(sorted(subjects) * 2, folds, seed)
    assert sorted(s for fold in dealt for s in fold) == sorted(subjects)
    sizes = [len(fold) for fold in dealt]
    assert max(sizes) - min(sizes) <= 1


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_subjects():
    assert subject_folds(TEN, 3, 1) == subject_folds(TEN[::-1], 3, 1)
    assert subject_folds(TEN, 3, 1) != subject_folds(TEN, 3, 2)


def test_more_folds_than_subjects_are_refused():
    with pytest.raises(InputError, match="2 subjects cannot fill 5 folds"):
        split(subjects=["a", "b"])


def test_every_subject_is_tested_once_over_the_folds_and_never_trained_on_then():
    tested = []
    for fold in range(5):
        found = split(fold=fold)
        assert not set(found.train) & set(found.test)
        assert {*found.train, *found.test} == set(TEN)
        tested += found.test
    assert sorted(tested) == TEN


def test_repeats_with_other_seeds_test_on_the_same_subjects():
    assert split(seed=1).test == split(seed=2).test


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": ["s1"], "train": ["s1", "s2"]}, "subject 's1' is in both train and test"),
        ({"test": ["s1"], "val": ["s1"]}, "subject 's1' is in both val and test"),
        ({"test": ["s1"], "val": ["s2"], "train": ["s2"]}, "subject 's2' is in both train and val"),
    ],
)
def test_a_subject_in_two_parts_is_refused_and_named(arguments, message):
    with pytest.raises(InputError, match=message):
        split(**arguments)


def test_an_unknown_subject_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"no recording of subject 's11', did you mean 's1'\?"):
        split(test=["s11"])
    with pytest.raises(InputError, match="no recording of subject 'Anna'"):
        split(test=["s1"], val=["Anna"])


def test_nobody_left_to_train_or_test_on_is_refused():
    with pytest.raises(InputError, match="no subject is left to train on"):
        split(test=TEN)
    with pytest.raises(InputError, match="no subject is left to test on"):
        split(test=[])
    with pytest.raises(InputError, match="train_subjects is 9, but only 8"):
        split(train=9)


def test_drawn_training_subjects_are_nested_and_drawn_from_the_seed():
    few, more = split(train=2, seed=4), split(train=5, seed=4)
    assert len(few.train) == 2
    assert set(few.train) < set(more.train)
    assert not set(more.train) & set(more.test)
    assert len({split(train=2, seed=seed).train for seed in range(8)}) > 1
    assert not set(split(train=8 - 2, val=["s0", "s9"], test=["s1", "s2"]).train) & {"s0", "s9", "s1", "s2"}


def test_a_manifest_carries_the_subjects_and_a_digest_of_them():
    content = json.loads(split(test=["s3", "s1"], val=["s2"]).manifest(seed=5))
    digest = content.pop("sha256")
    assert content["test"] == ["s1", "s3"]
    assert content["val"] == ["s2"]
    assert content["train"] == ["s0", "s4", "s5", "s6", "s7", "s8", "s9"]
    assert content["seed"] == 5
    assert digest == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def labels_of_recordings(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Windows of 60 recordings of 5 classes, a few windows each."""
    rng = np.random.default_rng(seed)
    windows = rng.integers(1, 6, 60)
    return np.repeat(rng.integers(0, 5, 60), windows), np.repeat(np.arange(60), windows)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.99])
def test_a_label_budget_is_a_share_of_every_class_in_whole_recordings(fraction):
    label, group = labels_of_recordings()
    chosen = draw_labels(label, group, fraction, seed=0)
    assert (np.diff(chosen) > 0).all()
    for c in range(5):
        recordings, kept = np.unique(group[label == c]), np.unique(group[chosen][label[chosen] == c])
        assert len(kept) == max(1, round(fraction * len(recordings)))
    assert set(chosen) == set(np.flatnonzero(np.isin(group, group[chosen])))  # a recording is labelled whole or not at all


def test_label_budgets_are_nested_and_the_seed_decides_them():
    label, group = labels_of_recordings()
    draws = [set(draw_labels(label, group, f, seed=3)) for f in (0.05, 0.1, 0.3, 0.7, 1.0)]
    assert all(small <= large for small, large in itertools.pairwise(draws))
    assert draws[-1] == set(range(len(label)))
    assert draws[1] != set(draw_labels(label, group, 0.1, seed=4))


def test_every_method_is_given_the_same_labels():
    label, group = labels_of_recordings()
    np.testing.assert_array_equal(draw_labels(label, group, 0.2, 7), draw_labels(label.copy(), group.copy(), 0.2, 7))
    # the draw of one class does not depend on what other classes there are
    keep = label != 0
    few = np.flatnonzero(keep)[draw_labels(label[keep], group[keep], 0.2, 7)]
    both = draw_labels(label, group, 0.2, 7)
    np.testing.assert_array_equal(few, both[label[both] != 0])


PEOPLE = {("utd", "s1"), ("utd", "s2"), ("msr", "s1"), ("msr", "s3")}
SEEN = {"utd": ["s1"]}


def test_held_out_people_are_those_not_trained_on_and_a_name_belongs_to_its_source():
    assert held_out(PEOPLE, SEEN, None, False, "T") == PEOPLE - {("utd", "s1")}
    assert held_out(PEOPLE, SEEN, ["s2", "s3"], False, "T") == {("utd", "s2"), ("msr", "s3")}
    assert held_out(PEOPLE, SEEN, ["s1"], True, "T") == {("utd", "s1"), ("msr", "s1")}


@pytest.mark.parametrize(
    ("people", "wanted", "message"),
    [
        (PEOPLE, ["s1"], "subject 's1' of utd was trained on"),
        ({("utd", "s1")}, None, "every subject of T was trained on: pretrain with exclude_subjects"),
        (PEOPLE, ["s9"], "T has none of the subjects s9: leave it out, or name some of s1, s2, s3"),
    ],
)
def test_people_that_were_trained_on_are_not_evaluated_on(people, wanted, message):
    with pytest.raises(InputError, match=message):
        held_out(people, SEEN, wanted, False, "T")


def test_nothing_leaks_between_other_people(windows):
    check_leakage(people(windows, "s0", "s1"), people(windows, "s2"), {"test": ["s0"]}, allow_seen=False)


def test_a_subject_or_a_recording_on_both_sides_fails(windows):
    with pytest.raises(InputError, match="leakage: subject 's1' is in both the training and the test set"):
        check_leakage(people(windows, "s0", "s1"), people(windows, "s1"), {}, allow_seen=False)


def test_the_same_samples_under_another_name_fail(windows):
    test = people(windows, "s2")
    test.imu_npt6 = test.imu_npt6.copy()
    test.imu_npt6[3] = people(windows, "s0").imu_npt6[1]
    with pytest.raises(
        InputError, match=r"leakage: the window of test recording 'r4' at 3 s is also in the training set, sample for sample"
    ):
        check_leakage(people(windows, "s0"), test, {}, allow_seen=False)


def test_watches_that_lie_still_are_not_copies_of_each_other(windows):
    train, test = people(windows, "s0"), people(windows, "s1")
    for part in (train, test):
        part.imu_npt6 = np.zeros_like(part.imu_npt6)
    check_leakage(train, test, {}, allow_seen=False)


def test_poses_of_a_test_subject_in_the_pretraining_corpus_fail_unless_allowed(windows):
    train, test = people(windows, "s0"), people(windows, "s1", "s2")
    with pytest.raises(
        InputError, match=r"leakage: poses or recordings of test subject 's2' of test .* exclude_subjects=\[s2\]"
    ):
        check_leakage(train, test, {"test": ["s2"], "other": ["s1"]}, allow_seen=False)
    check_leakage(train, test, {"test": ["s2"]}, allow_seen=True)


def test_so_many_labelled_examples_of_every_class(windows):
    chosen = draw_labels(windows.label, windows.example, 1.0, 0, per_class=1)
    drawn = windows.subset(chosen)
    assert sorted(drawn.label[np.unique(drawn.example, return_index=True)[1]].tolist()) == [0, 1]
    more = draw_labels(windows.label, windows.example, 1.0, 0, per_class=2)
    assert set(chosen) < set(more)
