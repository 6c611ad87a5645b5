"""The figures of an evaluation: from embeddings and windows to named numbers.

Every figure comes with its chance level, because recall among 20 sentences and recall among 2,000 windows are not comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from m3n.data.windows import ClipWindows, RecordingWindows, numbered
from m3n.evaluation.embed import ClipEmbeddings
from m3n.evaluation.metrics import classification
from m3n.evaluation.probes import guessing_macro_f1, linear_probe, nearest_neighbours
from m3n.evaluation.retrieval import alignment, retrieval, text_relevance, uniformity
from m3n.evaluation.signal_error import signal_errors
from m3n.randomness import generator
from m3n.training.classifier import recording_probabilities


def agreement(
    windows: ClipWindows, text_se: np.ndarray, embedded: ClipEmbeddings, max_windows: int, seed: int
) -> dict[str, dict[str, Any]]:
    """`retrieval` in six directions, `alignment` of every pair of modalities and `uniformity` of each, over clips' windows.

    text_se (sentences, e): the embedding of each distinct one of `windows.texts`. Between pose and IMU, a window of the same clip
    is a hit; with text, what shares the sentence or its label. Sentences are ranked once each. At most `max_windows`, drawn by
    the seed.
    """
    chosen = np.sort(generator(seed, "evaluate", "windows").permutation(len(windows.clip))[:max_windows])
    clip = windows.clip[chosen]
    text, label = (numbered(names)[1][chosen] for names in (windows.texts, windows.labels))
    pose, imu = embedded.pose_ne[chosen], embedded.imu_ne[chosen]
    same_clip = clip[:, None] == clip[None]
    found = {"imu_to_pose": retrieval(imu @ pose.T, same_clip), "pose_to_imu": retrieval(pose @ imu.T, same_clip)}
    pairs = {"imu_pose": (imu, pose)}
    single = {"pose": pose, "imu": imu}
    sentences, relevant = text_relevance(text, label)
    if len(sentences):
        words = text_se[sentences]
        for name, modality in single.items():
            found[f"text_to_{name}"] = retrieval(words @ modality.T, relevant)
            found[f"{name}_to_text"] = retrieval(modality @ words.T, relevant.T)
            pairs[f"text_{name}"] = (text_se[text[text >= 0]], modality[text >= 0])
        single["text"] = words
    aligned = {name: dict(zip(("value", "chance"), alignment(*pair), strict=True)) for name, pair in pairs.items()}
    return {"retrieval": found, "alignment": aligned, "uniformity": {name: uniformity(x) for name, x in single.items()}}


def signal_figures(windows: ClipWindows, embedded: ClipEmbeddings, placements: Sequence[str]) -> dict[str, float]:
    """`pose2imu_*` and `reconstruction_*` (m3n.evaluation.signal_error) against the simulated samples of some placements."""
    columns = [windows.placements.index(p) for p in placements]
    predicted = {"pose2imu": embedded.pose2imu_npt6, "reconstruction": embedded.reconstruction_npt6}
    return {
        f"{name}_{figure}": value
        for name, samples in predicted.items()
        for figure, value in signal_errors(samples[:, columns], windows.imu_npt6[:, columns]).items()
    }


def sentence_retrieval(
    imu_ne: np.ndarray, label_n: np.ndarray, sentences_se: np.ndarray, class_s: np.ndarray
) -> dict[str, Any]:
    """`retrieval` between windows of real recordings and the sentences of their classes, both ways."""
    relevant = label_n[:, None] == class_s[None]
    similarity = imu_ne @ sentences_se.T
    return {"real_imu_to_text": retrieval(similarity, relevant), "text_to_real_imu": retrieval(similarity.T, relevant.T)}


def scored(scores: np.ndarray, windows: RecordingWindows, name: str) -> dict[str, Any]:
    """`<name>_macro_f1` of windows and `<name>_recording_macro_f1` of recordings (mean score of their windows), and details."""
    by_window = classification(windows.label, scores.argmax(1), windows.classes)
    means, labels = recording_probabilities(scores, windows)
    by_recording = classification(labels, means.argmax(1), windows.classes)
    return {
        f"{name}_macro_f1": by_window.macro_f1,
        f"{name}_recording_macro_f1": by_recording.macro_f1,
        f"{name}_accuracy": by_window.accuracy,
        f"{name}_recording_accuracy": by_recording.accuracy,
        f"{name}_per_class": by_window.per_class,
        f"{name}_confusion": by_window.confusion,
    }


def guessing(windows: RecordingWindows) -> dict[str, float]:
    """`chance_macro_f1` over windows and `chance_recording_macro_f1` over recordings of uniform guesses."""
    classes = len(windows.classes)
    _, labels = recording_probabilities(np.zeros((len(windows.label), classes)), windows)
    return {
        "chance_macro_f1": guessing_macro_f1(windows.label, classes),
        "chance_recording_macro_f1": guessing_macro_f1(labels, classes),
    }


def probe_scores(
    features_nw: np.ndarray,
    windows: RecordingWindows,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    neighbours: int,
    c: float,
) -> dict[str, np.ndarray]:
    """`knn` and `linear_probe` scores (n, classes) of the windows in the test parts; 0 elsewhere.

    parts: (train, test) masks over the windows, the test parts being disjoint.
    """
    classes = len(windows.classes)
    found = {name: np.zeros((len(windows.label), classes)) for name in ("knn", "linear_probe")}
    for train, test in parts:
        known = features_nw[train], windows.label[train], features_nw[test], classes
        found["knn"][test] = nearest_neighbours(*known, neighbours)
        found["linear_probe"][test] = linear_probe(*known, c)
    return found
