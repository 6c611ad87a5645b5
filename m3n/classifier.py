"""A scikit-learn classifier of IMU windows, for those who have arrays rather than tables.

It is what `m3n finetune` trains, behind `fit` and `predict`, so that whatever scikit-learn offers (cross-validation, grid search,
calibration) takes a pretrained encoder like any other model. Windows come as NumPy arrays in m/s² and rad/s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from m3n import packaged
from m3n.config import FinetuneConfig, WindowsConfig, check
from m3n.config.names import AS_SET, AUTO
from m3n.data.scale import check_scale
from m3n.data.windows import RecordingWindows
from m3n.errors import InputError
from m3n.training import checkpoint as checkpoints
from m3n.training.checkpoint import Checkpoint
from m3n.training.rehearsal import rehearsal
from m3n.training.starting_point import WITH_CHECKPOINT, WITH_CLIPS, Choice, choose_start, fit_from, start_as_set
from m3n.training.window_arrays import WindowArrays

WEIGHTS = "wrist-small"  # the weights that checkpoint="auto" starts from, if they come with m3n


class M3NClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Activities from windows of one or more IMUs, from scratch or from a checkpoint made by `m3n pretrain`.

    X is (windows, samples, 6 per placement): ax ay az gx gy gz of the first placement, then of the next, specific force in m/s² and
    angular rate in rad/s, in the frames of `m3n/schema.py`. A 2-D X is the same, each window flattened row by row. Without
    gyroscopes X has 3 channels per placement, or NaN throughout for the angular rate of a window. Units are checked by physics.
    Windows are resampled from `rate_hz` to the checkpoint's rate; their length need not be that of the checkpoint's windows,
    though it is best near it.

    In a notebook, with windows of 2 s of a watch at 50 Hz, and who wore it:

        import m3n
        from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_score

        X.shape                                      # (861, 100, 6)
        model = m3n.M3NClassifier("runs/pretrain", placements=("right_wrist",), rate_hz=50)
        model.fit(X[train], y[train]).predict(X[test])

        # every subject is held out once: how good it is on people it has never seen
        scores = cross_val_score(model, X, y, groups=subject, cv=LeaveOneGroupOut(), scoring="f1_macro")

        # what pretraining is worth, and how much of it to keep frozen
        grid = {"checkpoint": [None, "runs/pretrain"], "freeze": ["not_frozen", "gradual"]}
        GridSearchCV(model, grid, cv=LeaveOneGroupOut(), scoring="f1_macro").fit(X, y, groups=subject)

        # where labels are few: the clips that were pretrained on go on teaching
        m3n.M3NClassifier("runs/pretrain", clips="data/synthetic").fit(X[:20], y[:20])

        # what to start from, decided on the people of X alone, as `m3n finetune` decides it (docs/start.md)
        model.fit(X, y, groups=subject).start_       # Choice(start='pretrained', decided_by='scores', reason='macro F1 on …', …)

    Parameters
    ----------
    checkpoint : folder made by `m3n pretrain`, name of weights that come with m3n, or None for none; "auto": wrist-small, if it
        comes with this version of m3n and knows the placements, and no `model` is given, else none.
    start : as of `m3n finetune`: "auto", "scratch", "pretrained", "rehearsed", "co_trained" or "as_set". "auto" scores the possible
        ones on people held out in turn, for which `fit` needs `groups`; without, or with few people or labels, it takes the first
        possible one of rehearsed, pretrained, co_trained and scratch. "as_set" is what checkpoint, clips and `rehearse` say.
    clips : folder made by `m3n simulate`, whose clips of y's labels (those pretrained on, where there is a checkpoint) are
        learned from beside X; None for X alone. Without a checkpoint see to it that nobody in them is tested on later.
    rehearse : share of every batch that is drawn from `clips`, which fades as labels grow (not with "as_set"); 0 for none.
    placements : where the sensors were worn, in the order of the channels.
    rate_hz : sampling rate of X.
    freeze, head, epochs, min_steps, batch_size, lr, encoder_lr, weight_decay, label_smoothing, class_weights :
        as of `m3n finetune --help`; `head="text"` is for that command alone, which knows the classes' sentences.
    augment : settings below `augment` of `m3n finetune --help`, as a dict; None keeps the defaults.
    model : settings below `model` there, such as {"width": 64}; None takes the checkpoint's, or the defaults.
    random_state : an int (the same weights every time), None, or a RandomState.

    Attributes
    ----------
    classes_ : labels, sorted. n_features_in_ : numbers in a window. fitted_ : the trained `m3n.training.fit.Fitted`.
    start_ : what the training started from, who decided it, why, and the scores; `repr` shows it too.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = AUTO,
        *,
        start: str = AUTO,
        clips: str | Path | None = None,
        rehearse: float = 0.5,
        placements: Sequence[str] | str = ("right_wrist",),
        rate_hz: float = 50.0,
        freeze: str = "not_frozen",
        head: str = "linear",
        epochs: int = 60,
        min_steps: int = 400,
        batch_size: int = 64,
        lr: float = 1e-3,
        encoder_lr: float = 1e-3,
        weight_decay: float = 0.01,
        label_smoothing: float = 0.1,
        class_weights: str = "balanced",
        augment: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.start = start
        self.clips = clips
        self.rehearse = rehearse
        self.placements = placements
        self.rate_hz = rate_hz
        self.freeze = freeze
        self.head = head
        self.epochs = epochs
        self.min_steps = min_steps
        self.batch_size = batch_size
        self.lr = lr
        self.encoder_lr = encoder_lr
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self.augment = augment
        self.model = model
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> M3NClassifier:
        """Train on all of the windows; InputError (a ValueError) for settings, placements or units that do not fit.

        `groups`: who is in each window, for start="auto", which holds people out in turn.
        """
        arrays = self._arrays
        X, y = validate_data(self, arrays.flat(X), y, dtype=np.float32)
        check_classification_targets(y)
        if self.head == "text":
            raise InputError(
                "head='text' starts from the classes' sentences, which `m3n finetune` knows: choose another head here"
            )
        config = self._config()
        folder = self._checkpoint()
        pretrained = checkpoints.load_pretrained(folder) if folder else None
        self._in_units_of_checkpoint = pretrained is not None
        self._own_hz = float(pretrained.windows.rate_hz if pretrained else arrays.rate_hz)
        self.classes_, label = np.unique(y, return_inverse=True)
        windows = self._windows(X, label)
        if groups is not None:
            windows = replace(windows, subjects=_people(groups, len(X)), sources=["X"] * len(X))
        shape, clips = self._shape(windows, pretrained), None
        if self.clips is not None and config.rehearse:
            known = pretrained.subjects if pretrained else None
            clips = rehearsal(Path(self.clips), shape, windows.placements, windows.classes, known)
        with torch.random.fork_rng(devices=[]):
            self.start_ = _choice(windows, shape, config, pretrained, clips, groups is not None)
            config = self.start_.settings(config)
            self.fitted_ = fit_from(self.start_.start, windows, shape, config, pretrained, clips, where="X")
        return self

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        text = str(super().__repr__(N_CHAR_MAX))
        if not hasattr(self, "start_"):
            return text
        return f"{text}  # started from {self.start_.start} ({self.start_.decided_by}): {self.start_.reason}"

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (windows, classes), classes in the order of `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, self._arrays.flat(X), dtype=np.float32, reset=False)
        windows = self._windows(X, np.zeros(len(X), int))
        if self._in_units_of_checkpoint:
            check_scale(self.fitted_.normaliser, [windows.imu_npt6], "X")
        probabilities = self.fitted_.predict(windows).astype(np.float64)
        return probabilities / probabilities.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of every window."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]

    def save(self, folder: str | Path) -> None:
        """Write the classifier as `m3n finetune` does, for `m3n predict` and without pickles; labels become text."""
        check_is_fitted(self)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.save(folder, self.fitted_.checkpoint())

    @property
    def _arrays(self) -> WindowArrays:
        """How X is read."""
        return WindowArrays.checked(self.placements, self.rate_hz)

    def _checkpoint(self) -> Path | None:
        """The folder to start from, if any."""
        if self.checkpoint is None:
            return None
        if self.checkpoint != AUTO:
            return checkpoints.named(Path(self.checkpoint))
        folder = packaged.weights().get(WEIGHTS) if self.model is None else None
        known = checkpoints.load_pretrained(folder).placements if folder else []
        return folder if set(self._arrays.placements) <= set(known) else None

    def _config(self) -> FinetuneConfig:
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = int(check_random_state(seed).randint(2**31))
        names = ("freeze", "head", "epochs", "min_steps", "batch_size", "lr", "encoder_lr", "weight_decay", "label_smoothing")
        settings = {name: getattr(self, name) for name in (*names, "start", "class_weights", "rehearse")}
        if self.clips is None:
            settings["rehearse"] = 0.0
        for name in ("augment", "model"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, Mapping):
                raise InputError(f"{name} is {given!r}: expected a dict of settings, as of `m3n finetune --help`")
            settings |= {} if given is None else {name: dict(given)}
        return check(FinetuneConfig, settings | {"seed": int(seed)})

    def _windows(self, flat: np.ndarray, label: np.ndarray) -> RecordingWindows:
        """Windows at the model's own rate."""
        return self._arrays.windows(self._samples(flat), self._own_hz, label, self.classes_)

    def _samples(self, flat: np.ndarray) -> np.ndarray:
        """(windows, samples, placements, 6) from (windows, numbers)."""
        return self._arrays.samples(flat)

    def _shape(self, windows: RecordingWindows, pretrained: Checkpoint | None) -> WindowsConfig:
        """The shape of the windows; from scratch or from a checkpoint, predicting later cuts recordings as X was cut."""
        window_s = windows.imu_npt6.shape[2] / self._own_hz
        given = {"window_s": window_s, "hop_s": window_s / 2, "rate_hz": self._own_hz}
        return WindowsConfig(**{**(pretrained.windows.model_dump() if pretrained else {}), **given})


def _people(groups: Any, windows: int) -> list[str]:
    """Who is in each window, as text."""
    found = list(groups)
    if len(found) != windows:
        raise InputError(f"groups has {len(found)} entries for {windows} windows of X: expected who is in each window")
    missing = next((i for i, who in enumerate(found) if who is None or who != who or str(who).strip() == ""), None)
    if missing is not None:
        raise InputError(f"groups does not say who is in window {missing}: expected a name or number for each window of X")
    return [str(who) for who in found]


def _choice(
    windows: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    clips: RecordingWindows | None,
    grouped: bool,
) -> Choice:
    """The start that was asked for, or the one that the people of X decide on; InputError for one that lacks what it needs."""
    if config.start in WITH_CHECKPOINT and pretrained is None:
        raise InputError(
            f"start={config.start!r} needs a checkpoint: a folder made by `m3n pretrain`, or one of {packaged.weights_known()}"
        )
    if config.start in WITH_CLIPS and clips is None:
        raise InputError(
            f"start={config.start!r} needs clips, a table of synthetic clips made by `m3n simulate`, and rehearse above 0"
        )
    if config.start == AS_SET:
        return Choice(start_as_set(config, pretrained), "asked", "start='as_set'")
    if config.start != AUTO:
        return Choice(config.start, "asked", f"start={config.start!r}")
    found = choose_start(windows, shape, config, pretrained, clips)
    if grouped or found.decided_by != "usual" or not (pretrained or clips):
        return found
    return replace(found, reason=f"{found.reason}; no groups were given: fit(X, y, groups=people) lets people be held out")
