"""M3NClassifier is a scikit-learn classifier like any other, and keeps the checkpoint's word about rate, units and placements."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import m3n
from m3n import packaged, schema
from m3n.classifier import M3NClassifier
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.errors import InputError
from m3n.io import tables
from m3n.models import make_imu_tower
from m3n.schema import GRAVITY
from m3n.training import checkpoint as checkpoints
from m3n.training.checkpoint import Checkpoint

TINY = {"width": 16, "depth": 1, "embedding": 16}
QUICK = {"model": TINY, "epochs": 1, "min_steps": 40, "lr": 5e-3}


def gestures(subjects: int = 4, each: int = 6, rate_hz: float = 50.0, seconds: float = 2.0) -> tuple[np.ndarray, ...]:
    """Windows of forearms that turn slowly and far ("stir"), or fast and little ("shake"); their labels, and who it was."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    windows, labels, people = [], [], []
    for person in range(subjects):
        for label, swing, hz in (("stir", 1.0, 1.0), ("shake", 0.3, 3.0)):
            for _ in range(each):
                phase, pace = rng.uniform(0, 2 * np.pi), 2 * np.pi * hz * rng.uniform(0.9, 1.1)
                angle, speed = swing * np.sin(pace * t + phase), swing * pace * np.cos(pace * t + phase)
                still = np.zeros_like(t)
                windows.append(np.stack([still, GRAVITY * np.sin(angle), GRAVITY * np.cos(angle), speed, still, still], axis=1))
                labels.append(label)
                people.append(person)
    return np.array(windows, np.float32), np.array(labels), np.array(people)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Path:
    """A folder as `m3n pretrain` leaves it, with weights of chance: both wrists, 2 s at 50 Hz."""
    import torch

    torch.manual_seed(0)
    architecture = ModelConfig(**TINY)
    wrists = ("left_wrist", "right_wrist")
    tower = make_imu_tower(wrists, architecture.model_dump())
    folder = tmp_path_factory.mktemp("pretrained")
    found = Checkpoint(
        "multi3net", {f"imu.{k}": v for k, v in tower.state_dict().items()}, architecture, WindowsConfig(),
        list(wrists), Normaliser(5.7, 2.0),
    )  # fmt: skip
    checkpoints.save(folder, found)
    return folder


def test_it_tells_gestures_of_people_it_has_not_seen():
    X, y, person = gestures()
    scores = cross_val_score(m3n.M3NClassifier(**QUICK), X, y, groups=person, cv=LeaveOneGroupOut(), scoring="f1_macro")
    assert len(scores) == 4
    assert scores.min() > 0.9


def test_the_same_random_state_gives_the_same_probabilities_and_leaves_torchs_own_alone():
    import torch

    X, y, _ = gestures(2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (M3NClassifier(**QUICK, random_state=s).fit(X, y).predict_proba(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3
    assert torch.equal(torch.rand(3), expected)


def test_flat_windows_are_the_same_windows():
    X, y, _ = gestures(2)
    model = M3NClassifier(**QUICK).fit(X, y)
    assert model.n_features_in_ == 600
    flat = X.reshape(len(X), -1)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(flat))
    np.testing.assert_array_equal(clone(model).fit(flat, y).predict_proba(flat), model.predict_proba(X))


def test_labels_of_any_kind_come_back():
    X, y, _ = gestures(2)
    for labels in (np.where(y == "stir", 7, 3), y == "stir", np.array(y, dtype=object)):
        model = M3NClassifier(**QUICK).fit(X, labels)
        assert model.classes_.tolist() == sorted(set(labels.tolist()))
        assert model.score(X, labels) > 0.9


def test_grid_search_over_checkpoints_and_freezing(pretrained):
    X, y, person = gestures(2)
    grid = {"checkpoint": [None, pretrained], "freeze": ["not_frozen", "frozen"]}
    model = M3NClassifier(epochs=1, min_steps=20, encoder_lr=5e-3, lr=5e-3, model=TINY)
    search = GridSearchCV(model, grid, cv=LeaveOneGroupOut(), error_score="raise").fit(X, y, groups=person)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.8


def test_another_rate_is_resampled_to_the_checkpoints(pretrained):
    X, y, _ = gestures(3)
    fast, _, _ = gestures(3, rate_hz=100.0)
    settings = {"epochs": 1, "min_steps": 40, "lr": 5e-3, "encoder_lr": 5e-3}
    at_50 = M3NClassifier(pretrained, rate_hz=50, **settings).fit(X, y)
    at_100 = M3NClassifier(pretrained, rate_hz=100, **settings).fit(fast, y)
    assert at_100.fitted_.windows.samples == 100
    np.testing.assert_allclose(at_100.predict_proba(fast), at_50.predict_proba(X), atol=0.1)


def test_two_placements_follow_each_other_in_the_channels(pretrained):
    X, y, _ = gestures(2)
    both = np.concatenate([X * np.float32([1, -1, 1, -1, 1, -1]), X], axis=2)
    model = M3NClassifier(pretrained, placements=("left_wrist", "right_wrist"), **QUICK | {"encoder_lr": 5e-3}).fit(both, y)
    assert model.score(both, y) > 0.9


def test_a_saved_classifier_predicts_for_the_command_line(tmp_path, recording):
    from m3n import schema
    from m3n.io import tables

    X, y, _ = gestures(2)
    M3NClassifier(**QUICK).fit(X, y).save(tmp_path / "model")
    (tmp_path / "in").mkdir()
    tables.write_table(tmp_path / "in", [recording(seconds=6.0)], schema.imu_recordings(("right_wrist",)), 1)
    assert m3n.predict(tmp_path / "in", tmp_path / "model", tmp_path / "out")["seconds_of"] == {"stir": 6.0}


def test_mistakes_are_named(pretrained, tmp_path):
    X, y, _ = gestures(1)
    with pytest.raises(InputError, match=r"expected \(windows, samples, 6\)"):
        M3NClassifier().fit(X.transpose(0, 2, 1), y)
    with pytest.raises(InputError, match="in g "):
        M3NClassifier(pretrained, **QUICK).fit(X / np.float32(GRAVITY), y)
    with pytest.raises(InputError, match="the recordings have the placement 'head'"):
        M3NClassifier(pretrained, placements=("head",), **QUICK).fit(X, y)
    with pytest.raises(InputError, match="config key 'freeze'"):
        M3NClassifier(freeze="some").fit(X, y)
    with pytest.raises(InputError, match="sentences"):
        M3NClassifier(head="text").fit(X, y)
    with pytest.raises(InputError, match=r"checkpoint\.json"):
        M3NClassifier(tmp_path).fit(X, y)
    with pytest.raises(InputError, match="windows of 2 samples"):
        M3NClassifier().fit(X[:, :2], y)
    with pytest.raises(ValueError, match="features"):
        M3NClassifier(**QUICK).fit(X, y).predict(X[:, :50])


@pytest.mark.parametrize("rate_hz", [0, -50, "fast", None, float("nan")])
def test_a_rate_that_is_none_is_named(rate_hz):
    X, y, _ = gestures(1)
    with pytest.raises(InputError, match=r"rate_hz is .*: expected the sampling rate of X"):
        M3NClassifier(rate_hz=rate_hz).fit(X, y)


def test_what_is_unambiguous_is_taken():
    X, y, _ = gestures(2)
    expected = M3NClassifier(**QUICK).fit(X, y).predict_proba(X)
    same = M3NClassifier(**QUICK, placements="right_wrist", rate_hz="50").fit(list(X), y)
    np.testing.assert_array_equal(same.predict_proba([window.tolist() for window in X]), expected)
    assert clone(same).placements == "right_wrist"


def test_windows_without_gyroscopes_are_those_with_none_in_them():
    X, y, _ = gestures(2)
    absent = X.copy()
    absent[..., 3:] = np.nan
    alone = M3NClassifier(**QUICK).fit(X[..., :3], y)
    np.testing.assert_array_equal(alone.predict_proba(X[..., :3]), alone.predict_proba(absent))
    np.testing.assert_array_equal(M3NClassifier(**QUICK).fit(absent, y).predict_proba(absent), alone.predict_proba(absent))
    absent[3, 7, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        M3NClassifier(**QUICK).fit(absent, y)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X: 0 * X, "zero throughout"), (lambda X: X / np.float32(GRAVITY), "in g "),
        (lambda X: np.round(X / GRAVITY * 2048).astype(np.int16), "in counts"),
        (lambda X: X * np.float32([1, 1, 1, 57.3, 57.3, 57.3]), "times too large"),
        (lambda X: X * np.float32([1, 1, 1, 0.0175, 0.0175, 0.0175]), "times too small"),
        (lambda X: [X[0], X[1][:50]], "windows of 2 shapes"), (lambda X: X.astype(str), "expected numbers|ufunc|could not convert"),
    ],
)  # fmt: skip
def test_what_cannot_be_force_and_rate_is_refused_without_a_checkpoint(change, said):
    X, y, _ = gestures(2)
    if "windows" in said:
        y = y[:2]
    if "numbers" in said:
        M3NClassifier(**QUICK).fit(change(X), y)  # numbers as text are numbers
        return
    with pytest.raises(InputError, match=said):
        M3NClassifier(**QUICK).fit(change(X), y)


@pytest.mark.parametrize(
    ("placements", "said"),
    [(("wrist",), "is it left_wrist or right_wrist"), ("rigth_wrist", "is it right_wrist"), ((), "placements is empty")],
)
def test_a_placement_that_is_none_is_named(placements, said):
    X, y, _ = gestures(1)
    with pytest.raises(InputError, match=said):
        M3NClassifier(placements=placements).fit(X, y)


class FilledUp(M3NClassifier):
    """For scikit-learn's checks alone, whose tables have 1 to 20 columns: ones fill them up to whole samples, which are held for
    eight samples, and stand for zeros, which no accelerometer reads on all axes."""

    def _samples(self, flat):
        filled = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 6)))
        return super()._samples(np.tile(np.where(filled == 0, 1, filled), 8))


STILL = dict.fromkeys(("turn_rad", "tilt_rad", "scale", "noise", "warp"), 0.0)  # the checks' points are no movements
NOT_OURS = {
    "check_methods_subset_invariance": "float32 sums of a batch of another size differ in the seventh digit; the check wants 1e-7",
}


def test_scikit_learns_own_checks_pass():
    model = FilledUp(model=TINY, epochs=1, min_steps=40, batch_size=32, lr=1e-2, augment=STILL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = check_estimator(model, expected_failed_checks=NOT_OURS, on_fail=None)
    failed = [(c["check_name"], str(c["exception"])[:200]) for c in done if c["status"] == "failed"]
    assert failed == []
    assert {c["check_name"] for c in done if c["status"] == "xfail"} == set(NOT_OURS)
    assert sum(c["status"] == "passed" for c in done) > 40


@pytest.fixture
def clips(tmp_path, synthetic_clip) -> Path:
    """Synthetic clips of stirring and shaking, as the windows have it, of a third movement, and of nobody in particular."""
    windows, labels, people = gestures(subjects=3, each=4)
    rows = []
    for number, (window, label, who) in enumerate(zip(windows, labels, people, strict=True)):
        row = synthetic_clip(f"{label}-{number}", len(window), 50.0, subject=f"p{who}", source="film", label=str(label))
        wrists = {schema.imu_column(placement): window for placement in ("left_wrist", "right_wrist")}
        rows.append(row | {"rate_hz": 50.0, "n_samples": len(window)} | wrists)
    rows.append(rows[0] | {"clip_id": "bow", "label": "bow"})
    folder = tmp_path / "synthetic"
    folder.mkdir()
    tables.write_table(folder, rows, schema.synthetic_clips(("left_wrist", "right_wrist")), rows_per_shard=8)
    return folder


def test_clips_teach_beside_few_windows(clips):
    X, y, _ = gestures()
    few = np.array([int(np.flatnonzero(y == label)[0]) for label in ("shake", "stir")])
    swapped = np.where(y[few] == "stir", "shake", "stir")  # two labels, both wrong: only the clips can say better
    alone = M3NClassifier(**QUICK).fit(X[few], swapped)
    beside = M3NClassifier(**QUICK, clips=clips, rehearse=0.9, start="co_trained").fit(X[few], swapped)
    assert alone.score(X, y) < 0.5 < 0.9 < beside.score(X, y)
    assert list(beside.classes_) == ["shake", "stir"]
    assert clone(beside).clips == clips


def test_clips_of_no_label_of_y_are_refused(clips):
    X, y, _ = gestures(subjects=2, each=2)
    with pytest.raises(InputError, match=r"has no clip that .* has one of the recordings' labels"):
        M3NClassifier(**QUICK, clips=clips).fit(X, np.where(y == "stir", "sit", "stand"))


def test_a_checkpoint_rehearses_what_it_was_pretrained_on_alone(pretrained, clips):
    X, y, _ = gestures(subjects=2, each=2)
    with pytest.raises(InputError, match="has no clip that was used in pretraining"):
        M3NClassifier(pretrained, **QUICK, clips=clips).fit(X, y)


# what the training starts from

FEW = {"epochs": 1, "min_steps": 10, "lr": 5e-3, "encoder_lr": 5e-3}


def test_the_start_is_decided_on_the_people_of_the_windows(pretrained):
    X, y, person = gestures(3, each=4)
    model = M3NClassifier(pretrained, **FEW).fit(X, y, groups=person)
    scores = model.start_.evidence["macro_f1"]
    assert (model.start_.decided_by, set(scores)) == ("scores", {"pretrained", "scratch"})
    assert (model.start_.evidence["people"], model.start_.evidence["folds"]) == (3, 3)
    assert f"started from {model.start_.start} (scores): macro F1 on 3 training people" in repr(model)
    assert "started" not in repr(clone(model))


def test_without_people_the_usual_start_is_taken_and_says_why(pretrained):
    X, y, _ = gestures(3, each=4)
    model = M3NClassifier(pretrained, **FEW).fit(X, y)
    assert (model.start_.start, model.start_.decided_by) == ("pretrained", "usual")
    assert "no groups were given" in model.start_.reason
    asked = M3NClassifier(pretrained, start="pretrained", **FEW).fit(X, y)
    np.testing.assert_array_equal(asked.predict_proba(X), model.predict_proba(X))
    alone = M3NClassifier(**FEW, model=TINY).fit(X, y)
    assert alone.start_.start == "scratch"
    assert "groups" not in alone.start_.reason  # they would change nothing
    scratch = M3NClassifier(pretrained, start="scratch", **FEW).fit(X, y)
    np.testing.assert_array_equal(scratch.predict_proba(X), alone.predict_proba(X))


def test_a_start_with_clips_rehearses_them(clips):
    X, y, _ = gestures(2, each=2)
    for start, found in (("auto", "co_trained"), ("as_set", "co_trained"), ("scratch", "scratch")):
        assert M3NClassifier(**FEW, model=TINY, clips=clips, start=start).fit(X, y).start_.start == found


@pytest.mark.parametrize(
    ("settings", "groups", "said"),
    [
        ({"start": "pretrained", "checkpoint": None}, None, "start='pretrained' needs a checkpoint"),
        ({"start": "rehearsed"}, None, "start='rehearsed' needs clips"),
        ({"start": "co_trained", "checkpoint": None}, None, "start='co_trained' needs clips"),
        ({"start": "some"}, None, "config key 'start'"),
        ({}, ["a"] * 3, "groups has 3 entries for 4 windows of X"),
        ({}, ["a", None, "b", "b"], "groups does not say who is in window 1"),
        ({}, np.array([0, 1, np.nan, 1]), "groups does not say who is in window 2"),
    ],
)
def test_a_start_that_cannot_be_says_what_it_needs(pretrained, settings, groups, said):
    X, y, _ = gestures(1, each=2)
    with pytest.raises(InputError, match=said):
        M3NClassifier(**{"checkpoint": pretrained, **FEW, **settings}).fit(X, y, groups=groups)


def test_weights_that_come_with_m3n_are_what_it_starts_from(pretrained, tmp_path, monkeypatch):
    X, y, _ = gestures(1, each=2)
    before = M3NClassifier(**FEW).fit(X, y)
    assert before.start_.start == "scratch"
    shutil.copytree(pretrained, tmp_path / "weights" / "wrist-small")
    monkeypatch.setattr(packaged, "PACKAGE", tmp_path)
    for checkpoint in ("auto", "wrist-small"):
        assert M3NClassifier(checkpoint, **FEW).fit(X, y).start_.start == "pretrained"
    assert M3NClassifier(placements="head", **FEW).fit(X, y).start_.start == "scratch"  # which they do not know
    with pytest.raises(InputError, match="no checkpoint 'wrist-smal', did you mean 'wrist-small'"):
        M3NClassifier("wrist-smal").fit(X, y)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: 0 * w, "no sensor data, every sample of acceleration is 0, 0, 0"),
        (lambda w: np.full_like(w, 5.0), "the same acceleration in every sample"),
        (lambda w: w / GRAVITY, "in g, or with gravity taken off"),
        (lambda w: np.where(np.arange(len(w))[:, None] < 60, w, 0), "filled up to a common length"),
        (lambda w: np.where(np.arange(len(w))[:, None] == 7, np.nan, w), "NaN or infinite values"),
        (lambda w: np.where(np.arange(len(w))[:, None] == 7, np.inf, w), "NaN or infinite values"),
    ],
)
def test_a_single_window_that_no_sensor_measures_is_named_in_fit_and_predict(change, said):
    X, y, _ = gestures(2)
    model = M3NClassifier(**QUICK | {"min_steps": 1}).fit(X, y)
    wrong = X.copy()
    wrong[3] = change(X[3])
    for given in (wrong, wrong.reshape(len(X), -1)):
        with pytest.raises(InputError, match=f"X, window 3 of 24: .*{said}.*: correct these windows or leave them out"):
            M3NClassifier(**QUICK).fit(given, y)
        with pytest.raises(InputError, match=f"X, window 3 of 24: .*{said}"):
            model.predict(given)


def test_channels_before_samples_are_recognised_and_refused_where_windows_are_flattened():
    X, y, _ = gestures(2)
    turned = X.transpose(0, 2, 1)
    with pytest.raises(InputError, match=r"give X\.transpose\(0, 2, 1\)"):
        M3NClassifier(**QUICK).fit(turned, y)
    with pytest.raises(InputError, match=r"X: acceleration measures .* when read as m/s²"):
        M3NClassifier(**QUICK).fit(turned.reshape(len(X), -1), y)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"placements": None}, "placements is None: expected the name of a placement"),
        ({"placements": 3}, "placements is 3"),
        ({"augment": "strong"}, "augment is 'strong': expected a dict of settings"),
        ({"model": [1]}, r"model is \[1\]: expected a dict of settings"),
    ],
)
def test_settings_of_another_type_are_named(settings, said):
    X, y, _ = gestures(1)
    with pytest.raises(InputError, match=said):
        M3NClassifier(**settings).fit(X, y)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X: X[:0], "expected at least one window"),
        (lambda X: X.astype(complex), "X holds complex128: expected numbers"),
        (lambda X: (X - X.mean((0, 1))) / (X.std((0, 1)) + 1e-9), "it was normalised"),
        (lambda X: (X - X.min()) / np.ptp(X), "it was normalised"),
    ],
)
def test_arrays_that_no_sensor_gives_are_named(change, said):
    X, y, _ = gestures(2)
    with pytest.raises(InputError, match=said):
        M3NClassifier(**QUICK).fit(change(X), y[: len(change(X))])


def test_one_sensors_samples_for_both_wrists_and_a_wrong_rate_are_refused():
    X, y, _ = gestures(2)
    with pytest.raises(InputError, match="left_wrist and right_wrist hold the same samples"):
        M3NClassifier(**QUICK, placements=("left_wrist", "right_wrist")).fit(np.concatenate([X, X], axis=2), y)
    for rate_hz in (20, 125):
        with pytest.raises(InputError, match="as if the sampling rate were about 50 Hz instead of"):
            M3NClassifier(**QUICK, rate_hz=rate_hz).fit(X, y)
