"""Baselines without deep learning: a random forest on window statistics, and MiniRocket with a ridge classifier.

Both get the same windows as the networks, and return class probabilities (or scores that can be averaged like them) for every
window. MiniRocket is implemented here because the packages that have it cannot be installed beside the libraries that m3n needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from torch.nn import functional

from m3n.data.windows import RecordingWindows
from m3n.randomness import generator


def random_forest(train: RecordingWindows, test: RecordingWindows, seed: int) -> np.ndarray:
    """(test windows, classes) by 500 trees on `statistics`, with balanced class weights."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(500, class_weight="balanced_subsample", random_state=seed, n_jobs=1)
    forest.fit(statistics(train.imu_npt6), train.label)
    scores = np.zeros((len(test.label), len(train.classes)), np.float32)
    scores[:, forest.classes_] = forest.predict_proba(statistics(test.imu_npt6))
    return scores


def statistics(imu_npt6: np.ndarray) -> np.ndarray:
    """(n, features): distribution, rhythm and course over time of every axis, of both norms and of their changes."""
    axes = [imu_npt6, *(np.linalg.norm(imu_npt6[..., part], axis=-1, keepdims=True) for part in (slice(0, 3), slice(3, 6)))]
    x_nptc = np.concatenate(axes, axis=-1).astype(np.float64)
    change = np.diff(x_nptc, axis=2)
    spectrum = np.abs(np.fft.rfft(x_nptc - x_nptc.mean(2, keepdims=True), axis=2))
    share = spectrum / np.maximum(spectrum.sum(2, keepdims=True), 1e-9)
    bins = np.arange(spectrum.shape[2])[:, None]
    found = [
        x_nptc.mean(2), x_nptc.std(2), x_nptc.min(2), x_nptc.max(2), *np.percentile(x_nptc, [25, 50, 75], axis=2),
        np.abs(change).mean(2), change.std(2), spectrum.argmax(2), (share * bins).sum(2), spectrum.max(2), *_course(x_nptc),
    ]  # fmt: skip
    pairs = [(x_nptc[..., i] * x_nptc[..., j]).mean(2) for i, j in combinations(range(6), 2)]
    return np.concatenate(
        [np.concatenate([f.reshape(len(f), -1) for f in found], 1), *(p.reshape(len(p), -1) for p in pairs)], 1
    )


def _course(x_nptc: np.ndarray, parts: int = 8) -> Iterator[np.ndarray]:
    """Mean and deviation (n, p, c) of equally long parts of a window, without the constant padding at its end."""
    changes = (np.diff(x_nptc, axis=2) != 0).any(axis=(1, 3))
    filled = np.where(changes.any(1), x_nptc.shape[2] - changes[:, ::-1].argmax(1), x_nptc.shape[2])
    bounds = (np.linspace(0, 1, parts + 1) * filled[:, None]).round().astype(int)
    sums = [np.pad(values.cumsum(2), ((0, 0), (0, 0), (1, 0), (0, 0))) for values in (x_nptc, x_nptc**2)]
    for start, end in zip(bounds.T[:-1], bounds.T[1:], strict=True):
        first, last = start[:, None, None, None], np.maximum(end, start + 1)[:, None, None, None]
        mean, square = ((np.take_along_axis(s, last, 2) - np.take_along_axis(s, first, 2))[:, :, 0] for s in sums)
        mean, square = mean / (last - first)[:, 0], square / (last - first)[:, 0]
        yield mean
        yield np.sqrt(np.maximum(square - mean**2, 0))


def minirocket(train: RecordingWindows, test: RecordingWindows, seed: int) -> np.ndarray:
    """(test windows, classes), softmax of the scores of a ridge classifier on MiniRocket's features."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.preprocessing import StandardScaler

    kernels = MiniRocket(train.imu_npt6, seed)
    scaler = StandardScaler()
    features = scaler.fit_transform(kernels(train.imu_npt6))
    ridge = RidgeClassifierCV(np.logspace(-3, 5, 9), class_weight="balanced").fit(features, train.label)
    decided = ridge.decision_function(scaler.transform(kernels(test.imu_npt6)))
    decided = np.stack([-decided, decided], 1) if decided.ndim == 1 else decided
    scores = np.zeros((len(test.label), len(train.classes)), np.float32)
    scores[:, ridge.classes_] = np.exp(decided - np.logaddexp.reduce(decided, axis=1, keepdims=True))
    return scores


class MiniRocket:
    """Proportions of positive values after fixed kernels of length 9 (Dempster, Schmidt and Webb, KDD 2021).

    84 kernels have three weights of 2 and six of -1; each is used at dilations spread exponentially up to the window's length, over
    a random subset of the channels, with biases from quantiles of its output on training windows.
    """

    KERNELS = torch.tensor([[2.0 if i in chosen else -1.0 for i in range(9)] for chosen in combinations(range(9), 3)])
    FEATURES, MOST_DILATIONS = 9996, 32

    def __init__(self, imu_npt6: np.ndarray, seed: int) -> None:
        rng = generator(seed, "minirocket")
        n, p, t, _ = imu_npt6.shape
        per_kernel = self.FEATURES // len(self.KERNELS)
        exponents = np.linspace(0, math.log2(max((t - 1) / 8, 1)), min(per_kernel, self.MOST_DILATIONS))
        dilations, counts = np.unique((2**exponents).astype(int), return_counts=True)
        counts = np.maximum(1, counts * per_kernel // counts.sum())
        self.parts: list[tuple[int, torch.Tensor, torch.Tensor]] = []  # dilation, weights (84, channels, 9), biases (84, count)
        place = 0
        for dilation, count in zip(dilations.tolist(), counts.tolist(), strict=True):
            size = (2 ** rng.uniform(0, math.log2(6 * p + 1), len(self.KERNELS))).astype(int)
            used = np.stack([rng.permutation(6 * p) < k for k in size])
            weights = self.KERNELS[:, None] * torch.from_numpy(used)[..., None]
            sample = imu_npt6[rng.integers(n, size=len(self.KERNELS))]
            output = self._convolved(sample, dilation, weights)
            quantiles = (torch.arange(place, place + count) + 1) * ((math.sqrt(5) + 1) / 2) % 1  # a low-discrepancy sequence
            own = torch.stack([output[k, k] for k in range(len(self.KERNELS))])
            self.parts.append((dilation, weights, torch.quantile(own, quantiles.float(), dim=1).T))
            place += count

    @staticmethod
    def _convolved(imu_npt6: np.ndarray, dilation: int, weights: torch.Tensor) -> torch.Tensor:
        x_nct = torch.from_numpy(np.ascontiguousarray(imu_npt6, np.float32)).transpose(2, 3).flatten(1, 2)
        return functional.conv1d(x_nct, weights.to(x_nct), padding=4 * dilation, dilation=dilation)

    def __call__(self, imu_npt6: np.ndarray, batch: int = 64) -> np.ndarray:
        """Features (n, 9,996 or a few less) of windows."""
        rows = []
        for start in range(0, len(imu_npt6), batch):
            found = []
            for dilation, weights, biases in self.parts:
                output_nkt = self._convolved(imu_npt6[start : start + batch], dilation, weights)
                found += [(output_nkt > bias[:, None]).float().mean(2) for bias in biases.T]
            rows.append(torch.cat(found, 1))
        return torch.cat(rows).numpy()


BASELINES = {"random_forest": random_forest, "minirocket": minirocket}
