"""Windows on disk are those that were cut, in any order; the same work is not done twice, and other work is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from m3n import schema
from m3n.config import WindowsConfig
from m3n.data.corpora import Mixture, Shard
from m3n.data.window_store import CLIPS, WindowStore, cut_shard, write_index
from m3n.data.windows import Normaliser, cut_clips
from m3n.errors import InputError
from m3n.io import tables

WRISTS = ("left_wrist", "right_wrist")
SHAPE = WindowsConfig()


def embed(sentences: list[str]) -> np.ndarray:
    return np.array([[len(s), 1.0] for s in sentences], np.float32)


@pytest.fixture(scope="module")
def rows(synthetic_clip) -> list[dict]:
    """Five people with two clips each, of different lengths and strengths."""
    return [
        synthetic_clip(
            f"{s}-{i}", frames=100 + 30 * s + 10 * i, subject=f"s{s}", text=["", "a", "bc"][(s + i) % 3], label=["x", None][i],
            poses=0.3 * np.random.default_rng(s).normal(size=(100 + 30 * s + 10 * i, 24, 3)).cumsum(0).astype(np.float32),
        )
        for s in range(5) for i in range(2)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    tables.write_table(folder, rows, schema.synthetic_clips(WRISTS), 3)
    return folder


def make(table: Path, folder: Path, shape: WindowsConfig = SHAPE, excluded: tuple[str, ...] = (), **changes) -> WindowStore:
    shards = tables.shard_paths(table)
    for shard in shards:
        cut_shard(Shard(shard, shard.stem, WRISTS), folder, shape, WRISTS, excluded)
    options = {"val_share": 0.4, "seed": 0, "embed": embed} | changes
    return write_index(folder, [Shard(s, s.stem, WRISTS) for s in shards], shape, WRISTS, **options)


def everything(store: WindowStore, part: str) -> dict[str, np.ndarray]:
    counts = store.counts(part)
    return store.read(part, np.repeat(np.arange(len(counts)), counts), np.concatenate([np.arange(n) for n in counts]))


def test_windows_of_both_parts_are_all_that_were_cut(table, rows, tmp_path):
    store, expected = make(table, tmp_path), cut_clips(rows, SHAPE, WRISTS)
    parts = [everything(store, part) for part in ("train", "val")]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(found["keys"][:, 0], kind="stable")
    np.testing.assert_array_equal(found["imu"][order], expected.imu_npt6)
    np.testing.assert_array_equal(found["pose"][order], expected.pose_nfd)
    np.testing.assert_array_equal(found["keys"][order, 0], expected.clip)
    assert store.clips == len(rows)


def test_keys_say_which_clips_share_a_sentence_or_a_label(table, rows, tmp_path):
    store = make(table, tmp_path)
    for part in ("train", "val"):
        for clip, sentence, label in everything(store, part)["keys"]:
            row = rows[clip]
            np.testing.assert_array_equal(store.sentences[sentence], embed([row["text"]])[0] if row["text"] else [0, 0])
            assert (sentence == -1) == (row["text"] == "")
            assert (label == -1) == (row["label"] is None)


def test_windows_of_one_clip_have_the_sentence_and_label_of_their_segments(table, rows, synthetic_clip, tmp_path):
    segments = [
        {"start_s": 0.0, "stop_s": 2.0, "label": "x", "text": "bc"},
        {"start_s": 2.0, "stop_s": 4.0, "label": "y", "text": None},
        {"start_s": 8.0, "stop_s": 10.0, "label": "z", "text": "long"},
    ]
    clip = synthetic_clip("c", frames=301, subject="s0", label="all", segments=segments)
    (tmp_path / "table").mkdir()
    tables.write_table(tmp_path / "table", [*rows[-2:], clip], schema.synthetic_clips(WRISTS), 2)
    store = make(tmp_path / "table", tmp_path / "windows", val_share=0.0)
    keys = everything(store, "train")["keys"]
    assert keys[[0, -10]].tolist() == [[0, 0, 0], [1, 1, -1]]  # "a" and x; "bc" and no label
    assert set(keys[-9:, 0]) == {2}
    none = [-1, -1]
    assert keys[-9:, 1:].tolist() == [[1, 0], none, [-1, 1], none, none, none, none, none, [2, 2]]
    np.testing.assert_array_equal(store.sentences, [*embed(["a", "bc", "long"]), [0, 0]])


def test_people_train_or_validate_and_only_training_decides_the_scale(table, rows, tmp_path):
    store = make(table, tmp_path)
    people = [{rows[clip]["subject"] for clip in everything(store, part)["keys"][:, 0]} for part in ("train", "val")]
    assert len(people[1]) == 2  # 40 % of five
    assert people[0] & people[1] == set()
    assert people[0] | people[1] == {row["subject"] for row in rows}
    expected = Normaliser.fit(everything(store, "train")["imu"])
    assert (store.normaliser.acc, store.normaliser.gyro) == pytest.approx((expected.acc, expected.gyro), rel=1e-9)
    assert store.normaliser.acc != pytest.approx(Normaliser.fit(everything(store, "val")["imu"]).acc, rel=1e-3)
    assert store.subjects == {"test": [f"s{i}" for i in range(5)]}


def test_windows_come_in_the_order_they_are_asked_for(table, tmp_path):
    store = make(table, tmp_path)
    whole, counts = everything(store, "train"), store.counts("train")
    chosen = np.random.default_rng(1).permutation(int(counts.sum()))[:9]
    shard, position = np.repeat(np.arange(len(counts)), counts), np.concatenate([np.arange(n) for n in counts])
    found = store.read("train", shard[chosen], position[chosen])
    for name, values in found.items():
        np.testing.assert_array_equal(values, whole[name][chosen])


def test_a_shard_is_cut_again_only_where_something_has_changed(table, tmp_path):
    make(table, tmp_path)
    file = tmp_path / tables.shard_paths(table)[0].stem / CLIPS
    first = file.stat().st_mtime_ns
    make(table, tmp_path)
    assert file.stat().st_mtime_ns == first
    for changes in ({"shape": WindowsConfig(hop_s=0.5)}, {"excluded": ("s1",)}):
        store = make(table, tmp_path, **changes)
        assert file.stat().st_mtime_ns != first
        fresh = make(table, tmp_path / "fresh", **changes)
        for part in ("train", "val"):
            for name, values in everything(store, part).items():
                np.testing.assert_array_equal(values, everything(fresh, part)[name])


def test_a_shard_that_was_not_finished_is_cut_again(table, tmp_path):
    shard = tables.shard_paths(table)[0]
    cut_shard(Shard(shard, "a", WRISTS), tmp_path, SHAPE, WRISTS, [])
    (tmp_path / "a" / CLIPS).unlink()
    (tmp_path / "a" / "imu.npy").write_bytes(b"half")
    store = make(table, tmp_path)
    assert everything(store, "train")["imu"].dtype == np.float32


def test_the_digest_of_the_data_is_that_of_the_table(table, tmp_path):
    assert make(table, tmp_path).data_sha256 == tables.data_sha256(table)


def test_a_shard_with_nothing_but_excluded_people_gives_no_window(table, tmp_path):
    store = make(table, tmp_path, excluded=("s0", "s1"))
    assert store.counts("train")[0] == store.counts("val")[0] == 0
    assert json.loads((tmp_path / "part-00000" / CLIPS).read_text())["clip_ids"] == []
    assert len(everything(store, "train")["imu"]) == store.counts("train").sum()
    with pytest.raises(InputError, match="every clip is excluded"):
        make(table, tmp_path / "none", excluded=tuple(f"s{i}" for i in range(5)))


# several tables, and recordings


@pytest.fixture(scope="module")
def mixed(window_store, real_recordings, tmp_path_factory) -> WindowStore:
    folder = tmp_path_factory.mktemp("mixed")
    mixture = Mixture(unknown_mounting=["watch"])
    describe = lambda source, label, name: f"{source} {label}"  # noqa: E731
    return window_store(folder, 8, 2, 0.0, real_recordings, mixture=mixture, describe=describe)


def test_recordings_are_windows_without_pose_that_know_what_was_recorded(mixed):
    found = everything(mixed, "train")
    real = ~found["has_pose"]
    assert real.sum() == 5 + 5 + 6  # of 1 s, every second; nothing of the ankle
    assert mixed.unworn == 1
    assert (found["pose"][real] == 0).all()
    assert found["signals"][~real].all()
    np.testing.assert_array_equal(found["signals"][real][:5], np.tile([[False, False], [True, True]], (5, 1, 1)))
    np.testing.assert_array_equal(found["signals"][real][5:10], np.tile([[False, False], [True, False]], (5, 1, 1)))
    assert found["signals"][real][10:].all()
    assert (found["imu"][real][:10, 0] == 0).all()
    assert (found["imu"][real][5:10, 1, :, 3:] == 0).all()
    np.testing.assert_array_equal(found["rate"][real], [40] * 10 + [25] * 6)
    np.testing.assert_array_equal(found["unknown"], real)


def test_stretches_of_a_recording_have_a_label_and_a_sentence_of_their_own(mixed):
    found = everything(mixed, "train")
    keys = found["keys"][~found["has_pose"]]
    first, second = keys[:5], keys[5:10]
    assert (first[:2] == first[0]).all()  # walking for two seconds, a second of nothing, sitting down for two
    assert (first[2, 1:] == -1).all()
    assert (first[3:] == first[3]).all()
    assert len(set(first[:, 0]) | set(second[:, 0])) == 6
    np.testing.assert_array_equal(first[:, 1:], second[:, 1:])
    assert (keys[10:, 1:] == -1).all()
    assert mixed.subjects["watch"] == ["p0", "p1", "p2"]


def test_the_scale_counts_only_what_was_recorded(mixed):
    found = everything(mixed, "train")
    for kind, value in enumerate((mixed.normaliser.acc, mixed.normaliser.gyro)):
        signals = found["imu"].reshape(*found["imu"].shape[:3], 2, 3)[..., kind, :]
        recorded = signals.transpose(0, 1, 3, 2)[found["signals"][..., kind]]
        assert value == pytest.approx(np.sqrt(np.mean(np.square(recorded, dtype=np.float64))), rel=1e-6)


def test_excluded_people_are_left_out_of_recordings_too(real_recordings, tmp_path):
    tables.write_table(tmp_path, real_recordings, schema.imu_recordings(), 9)
    shard = Shard(tables.shard_paths(tmp_path)[0], "real", schema.PLACEMENTS, "real", True)
    cut_shard(shard, tmp_path / "cut", SHAPE, WRISTS, ["p0", "p2"])
    assert set(json.loads((tmp_path / "cut" / "real" / CLIPS).read_text())["subjects"]) == {"p1"}


def test_a_table_of_weight_zero_is_as_if_it_were_not_there(window_store, real_recordings, tmp_path):
    alone = window_store(tmp_path / "alone", 8, 2, 0.25)
    both = window_store(tmp_path / "both", 8, 2, 0.25, real_recordings, mixture=Mixture({"real": 0}))
    assert both.subjects == alone.subjects
    assert both.normaliser == alone.normaliser
    for part in ("train", "val"):
        found, expected = everything(both, part), everything(alone, part)
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_an_epoch_takes_windows_by_the_weights_of_their_source(window_store, real_recordings, tmp_path):
    rows = [row | {"source": "other"} if row["subject"] == "p2" else row for row in real_recordings]
    store = window_store(tmp_path, 8, 2, 0.0, rows, mixture=Mixture({"watch": 3, "other": 0.5}))
    assert store.counts("train").tolist() == [8, 8, 6, 10]
    assert store.epoch_counts.tolist() == [8, 8, 3, 30]
    found = everything(store, "train")
    assert found["has_pose"].tolist() == [True] * 16 + [False] * 16


def test_people_whose_labels_can_be_learned_are_known(mixed):
    """p2 has recordings without labels, and p3 wore nothing on the wrist."""
    assert mixed.labelled_subjects == {"watch": ["p0", "p1"]}
    assert mixed.subjects["watch"] == ["p0", "p1", "p2"]
