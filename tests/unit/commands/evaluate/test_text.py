"""evaluate.md shows every figure beside its chance level, and says so where trained subjects are scored."""

from __future__ import annotations

from m3n.commands.evaluate.text import evaluation_text
from m3n.config import EvaluateConfig

RANKS = dict.fromkeys(("r1", "r5", "r10", "mrr"), 0.5) | {f"chance_{name}": 0.125 for name in ("r1", "r5", "r10", "mrr")}
SIGNALS = {
    f"{name}_{figure}_{kind}": 0.25
    for name in ("pose2imu", "reconstruction")
    for figure in ("r", "r_all", "rmse", "rmse_median", "rmse_mean")
    for kind in ("acc", "gyro")
}
CLIPS = {
    "checkpoint": "pretrain", "clips": 3, "clip_windows": 12, "clip_subjects": ["a", "b"], "clip_placements": ["left_wrist"],
    "retrieval": {"imu_to_pose": RANKS | {"queries": 12.0, "items": 12.0}},
    "alignment": {"imu_pose": {"value": 0.75, "chance": 2.0}}, "uniformity": {"imu": None}, **SIGNALS,
}  # fmt: skip
RECORDINGS = {
    "checkpoint": "pretrain", "recordings": 2, "recording_windows": 8, "classes": 2, "recording_subjects": ["c"],
    "recording_placements": ["left_wrist", "right_wrist"], "probes_trained_on": "2 other subjects", "knn_macro_f1": 0.875,
    "knn_recording_macro_f1": 1.0, "chance_macro_f1": 0.5, "chance_recording_macro_f1": 0.45,
}  # fmt: skip


def test_chance_stands_beside_every_recall_and_every_distance():
    text = evaluation_text(CLIPS, EvaluateConfig(picture="none"))
    assert "| imu to pose | 0.500 (0.125) |" in text
    assert "| imu - pose   | 0.750 | 2.000  |" in text
    assert "## Real recordings" not in text
    assert "embeddings.png" not in text


def test_only_the_probes_that_were_run_have_a_row():
    text = evaluation_text(RECORDINGS, EvaluateConfig(neighbours=5))
    assert "| 5 nearest neighbours" in text
    assert "linear probe  " not in text
    assert "left wrist and right wrist" in text
    assert "0.875" in text


def test_trained_subjects_are_announced():
    assert "was trained on.**" not in evaluation_text(RECORDINGS, EvaluateConfig())
    assert "may include some that the checkpoint was trained on" in evaluation_text(RECORDINGS, EvaluateConfig(allow_seen=True))
