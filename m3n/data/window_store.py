"""Windows on disk, cut once per table and read in any order.

Every shard of synthetic clips, or of real recordings, becomes a folder with `imu.npy` and `pose.npy`, plain arrays from which
readers take the rows they need, `keys.npy`, which says what every row shows, and `clips.json`, in which its numbers are looked
up. It is written last, so that a shard that has one is complete and is reused when the same work is done again. `index.json` and
small arrays beside the shards hold what must be known about all clips at once: the numbers of sentences and labels, the validation
subjects, the scale of the signals. Sentences are stored once; windows refer to them by number. Recordings have no `pose.npy`, and
their clips are stretches (`m3n.data.stretches`).

Readers count windows by unit: a shard or, where its sources are drawn unequally often (`m3n.data.corpora.Mixture`), the part of a
shard that is drawn equally often.

Legend: n windows, p placements, t IMU samples, f pose frames, d pose features, k keys (clip, sentence, label).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from m3n import schema
from m3n.config import WindowsConfig
from m3n.data.corpora import Mixture, Shard
from m3n.data.stretches import Stretches, cut_stretches
from m3n.data.windows import POSE_FEATURES, ClipWindows, Normaliser, check_short, cut_clips, numbered
from m3n.io import tables
from m3n.randomness import generator

CLIPS, INDEX, KEYS, FACTS, SENTENCES = "clips.json", "index.json", "keys.npy", "facts.npy", "sentences.npy"
PARTS = ("train", "val")
LEFT_OUT = -1  # in place of a part and a unit
Block = dict[
    str, np.ndarray
]  # imu (n, p, t, 6) m/s² and rad/s, pose (n, f, d), keys (n, k); of what is missing: `WindowStore.read`
Describe = Callable[[str, str, str], str]  # (source, label, name of a stretch) -> its sentence, "" for none


def cut_shard(shard: Shard, folder: Path, shape: WindowsConfig, placements: Sequence[str], excluded: Iterable[str]) -> None:
    """Cut the clips or recordings of one shard into its folder below `folder`, unless the same windows are there already.

    Those of `excluded` subjects are left out. Raises InputError for a shard that cannot be read and for a row with bad values.
    """
    excluded, folder, where = sorted(excluded), folder / shard.folder, shard.location
    check = schema.validate_imu_recordings if shard.recordings else schema.validate_synthetic_clips
    check(tables.read_schema(where), str(where))
    own = [placement for placement in placements if placement in shard.placements]
    shape_facts = {name: getattr(shape, name) for name in ("window_s", "hop_s", "pose_fps", "rate_hz", "pad_short")}
    facts = {
        "input": tables.file_sha256(where), "shape": shape_facts, "placements": list(placements), "own": own,
        "excluded": excluded, "recordings": shard.recordings, "keys": "by window",
    }  # fmt: skip
    if (folder / CLIPS).is_file():
        if json.loads((folder / CLIPS).read_text(encoding="utf-8"))["facts"] == facts:
            return
        shutil.rmtree(folder)
    found: ClipWindows | Stretches
    if shard.recordings:
        rows = tables.recording_rows(where, shard.placements)
        found = cut_stretches((row for row in rows if row["subject"] not in excluded), shape, placements)
        signals_cp2 = found.signals_cp2
    else:
        rows = tables.synthetic_rows(where, own)
        found = cut_clips((row for row in rows if row["subject"] not in excluded), shape, placements)
        signals_cp2 = np.tile(np.isin(placements, own)[None, :, None], (len(found.clip_ids), 1, 2))
    folder.mkdir(parents=True, exist_ok=True)
    _write_array(folder / "imu.npy", found.imu_npt6)
    if isinstance(found, ClipWindows):
        _write_array(folder / "pose.npy", found.pose_nfd)
    squares = np.square(found.imu_npt6, dtype=np.float64).sum((1, 2)).reshape(-1, 2, 3).sum(-1)  # of every window
    (texts, text_n), (labels, label_n) = numbered(found.texts), numbered(found.labels)
    _write_array(folder / KEYS, np.stack([found.clip, text_n, label_n], axis=1).astype(np.int32))
    clips = len(found.clip_ids)
    description = {
        "facts": facts, "clip_ids": found.clip_ids, "sources": found.sources, "subjects": found.subjects, "texts": texts,
        "labels": labels, "windows": np.bincount(found.clip, minlength=clips).tolist(),
        "squares": [np.bincount(found.clip, squares[:, i], clips).tolist() for i in range(2)],
        "signals": (signals_cp2.reshape(clips, 2 * len(placements)) @ (1 << np.arange(2 * len(placements)))).tolist(),
        "rates_hz": found.rates_hz, "short": found.short, "unworn": getattr(found, "unworn", 0),
    }  # fmt: skip
    tables.write_text(folder / CLIPS, json.dumps(description))


def write_index(
    folder: Path,
    shards: Sequence[Shard],
    shape: WindowsConfig,
    placements: Sequence[str],
    *,
    val_share: float,
    seed: int,
    embed: Callable[[list[str]], np.ndarray],
    mixture: Mixture = Mixture(),
    describe: Describe = lambda source, label, name: "",
) -> WindowStore:
    """Number sentences, labels and clips over all cut shards, draw the validation subjects, and fit the normaliser on the others.

    `val_share` of the subjects validate, at least one and never all; a subject of one name in several tables is in one part.
    `embed` turns sentences into vectors; `describe` gives labelled recordings their sentences. Raises InputError if too many clips
    are too short, or nothing is left.
    """
    texts: dict[str, int] = {}
    labels: dict[str, int] = {}
    people: dict[str, int] = {}
    sources: dict[str, set[str]] = {}
    labelled: dict[str, set[str]] = {}
    keys: list[np.ndarray] = []  # per shard (n, 3): clip, sentence, label
    clips: list[np.ndarray] = []  # per shard (clips, 4): windows, person, unit, and below: part
    facts: list[np.ndarray] = []  # per shard (clips, 4): signals, pose, unknown mounting, rate in mHz
    squares: list[np.ndarray] = []  # per shard (clips, 2)
    units: list[tuple[int, float]] = []  # shard, weight
    short: list[str] = []
    inputs: list[str] = []
    unworn = count = 0
    for number, shard in enumerate(shards):
        found = json.loads((folder / shard.folder / CLIPS).read_text(encoding="utf-8"))
        clip_n, text_n, label_n = np.load(folder / shard.folder / KEYS, allow_pickle=False).T
        if shard.recordings:
            said = _descriptions(found, clip_n, label_n, shard, describe)
            found["texts"], numbers = numbered(said)
            text_n = numbers[clip_n]
        text_n, label_n = _renumbered(text_n, found["texts"], texts), _renumbered(label_n, found["labels"], labels)
        keys.append(np.stack([clip_n + count, text_n, label_n], axis=1))
        count += len(found["clip_ids"])
        weights = [mixture.weight(shard.table, source) for source in found["sources"]]
        unit_of = {weight: len(units) + i for i, weight in enumerate(sorted({w for w in weights if w > 0}) or [1.0])}
        units += [(number, weight) for weight in unit_of]
        used = [weight > 0 for weight in weights]
        person = [
            people.setdefault(s, len(people)) if use else LEFT_OUT for s, use in zip(found["subjects"], used, strict=True)
        ]
        clips.append(np.array([found["windows"], person, [unit_of.get(weight, LEFT_OUT) for weight in weights]], np.int64).T)
        unknown = [mixture.unknown(shard.table, source) for source in found["sources"]]
        pose, rates = [not shard.recordings] * len(used), np.round(1000 * np.array(found["rates_hz"], np.float64))
        facts.append(np.array([found["signals"], pose, unknown, rates], np.int64).T)
        squares.append(np.array(found["squares"], np.float64).T)
        for source, subject, use in zip(found["sources"], found["subjects"], used, strict=True):
            if use:
                sources.setdefault(source, set()).add(subject)
        for clip in np.unique(clip_n[label_n >= 0]) if shard.recordings else ():
            if used[clip]:
                labelled.setdefault(found["sources"][clip], set()).add(found["subjects"][clip])
        short += found["short"]
        unworn += found["unworn"]
        inputs.append(found["facts"]["input"])
    windows_c, person_c, unit_c = np.concatenate(clips).T
    facts_c4, used_c = np.concatenate(facts), unit_c != LEFT_OUT
    check_short(short, int(used_c.sum()), shape)
    names = sorted(people)
    held = 0 if val_share == 0 else min(max(round(val_share * len(names)), 1), len(names) - 1)
    held_out = [people[name] for name in generator(seed, "pretrain", "val").permutation(names)[:held]]
    part_c = np.where(used_c, np.isin(person_c, held_out), LEFT_OUT)  # index into PARTS
    trained_c, signals_cp2 = part_c == 0, _bits(facts_c4[:, 0], len(placements))
    recorded_2 = (windows_c[trained_c, None] * signals_cp2[trained_c].sum(1)).sum(0)  # windows of a placement with each signal
    acc, gyro = np.sqrt(np.concatenate(squares)[trained_c].sum(0) / (3 * shape.samples * recorded_2.clip(min=1)))
    keys_n3 = np.concatenate(keys)
    part_n, unit_n = part_c[keys_n3[:, 0]], unit_c[keys_n3[:, 0]]
    _write_array(folder / KEYS, np.column_stack([keys_n3, part_n, unit_n]).astype(np.int32))
    _write_array(folder / FACTS, facts_c4)
    vectors = embed(list(texts) or [""])
    _write_array(folder / SENTENCES, np.concatenate([vectors[: len(texts)], np.zeros_like(vectors[:1])]))
    counts = {name: np.bincount(unit_n[part_n == part], minlength=len(units)) for part, name in enumerate(PARTS)}
    content = {
        "shards": [shard.folder for shard in shards],
        "poses": [not shard.recordings for shard in shards],
        "units": units,
        "clips": int(used_c.sum()),
        "complete": bool(signals_cp2[used_c].all() and facts_c4[used_c, 1].all() and not facts_c4[used_c, 2].any()),
        "first_window": np.cumsum([0, *map(len, keys)]).tolist(),
        "windows": {name: found.tolist() for name, found in counts.items()},
        "placements": list(placements),
        "shapes": {"imu": [len(placements), shape.samples, 6], "pose": [shape.pose_frames, POSE_FEATURES]},
        "normaliser": [float(acc) or 1.0, float(gyro) or 1.0],
        "subjects": {source: sorted(found) for source, found in sorted(sources.items())},
        "labelled_subjects": {source: sorted(found) for source, found in sorted(labelled.items())},
        "short": len(short),
        "unworn": unworn,
        "data_sha256": tables.joint_sha256(inputs),
    }
    tables.write_text(folder / INDEX, json.dumps(content))
    return WindowStore.open(folder)


def _descriptions(
    found: dict[str, Any], clip_n: np.ndarray, label_n: np.ndarray, shard: Shard, describe: Describe
) -> list[str]:
    """The sentence of every stretch of a shard."""
    label_c = label_n[np.unique(clip_n, return_index=True)[1]]
    said = [found["labels"][i] if i >= 0 else "" for i in label_c]
    names = zip(found["sources"], said, found["clip_ids"], strict=True)
    return [describe(source, label, name) if label else "" for source, label, name in names]


def _bits(signals_c: np.ndarray, placements: int) -> np.ndarray:
    """(c, p, 2) bool: whether a placement's acceleration and angular rate were recorded."""
    return ((signals_c[:, None] >> np.arange(2 * placements)) & 1).astype(bool).reshape(-1, placements, 2)


def _renumbered(number_n: np.ndarray, names: Sequence[str], known: dict[str, int]) -> np.ndarray:
    """A shard's numbers of its `names` as numbers among all `known` names, to which new ones are added; -1 stays -1."""
    return np.array([*(known.setdefault(name, len(known)) for name in names), -1], np.int32)[number_n]


def _write_array(path: Path, values: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        np.save(stream, values, allow_pickle=False)
    os.replace(temporary, path)


@dataclass(frozen=True)
class WindowStore:
    """The reading side of a folder with cut shards and their index; it holds no windows in memory."""

    folder: Path
    token: str  # digest of the index: stores with the same content are equal

    @classmethod
    def open(cls, folder: Path) -> WindowStore:
        """The store that `write_index` left in a folder."""
        return cls(folder, hashlib.sha256((folder / INDEX).read_bytes()).hexdigest())

    @property
    def _index(self) -> dict[str, Any]:
        return _read_index(self)

    @property
    def placements(self) -> tuple[str, ...]:
        """Placements, in the order of the IMU windows' second axis."""
        return tuple(self._index["placements"])

    @property
    def normaliser(self) -> Normaliser:
        """Scale of the training windows."""
        return Normaliser(*self._index["normaliser"])

    @property
    def subjects(self) -> dict[str, list[str]]:
        """Source -> its subjects, including the validation subjects."""
        return self._index["subjects"]

    @property
    def labelled_subjects(self) -> dict[str, list[str]]:
        """Source -> the subjects whose recordings have labels, which the losses with text learn from."""
        return self._index["labelled_subjects"]

    @property
    def short(self) -> int:
        """Clips left out because they are shorter than a window."""
        return self._index["short"]

    @property
    def unworn(self) -> int:
        """Recordings left out because none of the placements was worn."""
        return self._index["unworn"]

    @property
    def has_recordings(self) -> bool:
        """Whether there are windows of real recordings."""
        return not all(self._index["poses"])

    @property
    def clips(self) -> int:
        """Clips with windows, and stretches of recordings."""
        return self._index["clips"]

    @property
    def data_sha256(self) -> str:
        """Digest of the table that was cut, as `m3n.io.tables.data_sha256` gives it."""
        return self._index["data_sha256"]

    @property
    def window_bytes(self) -> int:
        """Size of a window in memory."""
        return sum(4 * math.prod(shape) for shape in self._index["shapes"].values())

    @property
    def sentences(self) -> np.ndarray:
        """(sentences + 1, features) float32, mapped into memory; the last row, number -1, means "no sentence"."""
        return np.load(self.folder / SENTENCES, mmap_mode="r", allow_pickle=False)

    def counts(self, part: str) -> np.ndarray:
        """Windows of a part ("train" or "val") in every unit."""
        return np.array(self._index["windows"][part], np.int64)

    @property
    def epoch_counts(self) -> np.ndarray:
        """Training windows that an epoch takes from every unit: all, times the weight of the unit, and at least one."""
        weights = np.array([weight for _, weight in self._index["units"]])
        counts = self.counts("train")
        return np.where(counts > 0, np.maximum(1, np.round(weights * counts)), 0).astype(np.int64)

    @property
    def epoch_windows(self) -> int:
        """Training windows of an epoch."""
        return int(self.epoch_counts.sum())

    def read(self, part: str, unit_n: np.ndarray, position_n: np.ndarray) -> Block:
        """Windows by unit and position among that unit's windows of the part, in the given order.

        If any window of the store lacks something, the block also says what there is: `signals` (n, p, 2) bool, acceleration and
        angular rate; `has_pose` (n,) bool; `unknown` (n,) bool, mountings that are not known; `rate` (n,) float32, Hz. What is
        missing is 0.
        """
        row_n, keys_nk = np.empty(len(unit_n), np.int64), np.empty((len(unit_n), 3), np.int64)
        for unit in np.unique(unit_n):
            mine = unit_n == unit
            row, keys = _rows(self, int(unit), part)
            row_n[mine], keys_nk[mine] = row[position_n[mine]], keys[position_n[mine]]
        index, block = self._index, {"keys": keys_nk}
        shard_n = np.array([shard for shard, _ in index["units"]])[unit_n]
        for name, shape in index["shapes"].items():
            there_n = np.array(index["poses"])[shard_n] if name == "pose" else np.ones(len(shard_n), bool)
            block[name] = np.empty((len(shard_n), *shape), np.float32)
            self._read_rows(f"{name}.npy", shard_n, row_n, there_n, block[name])
        if not index["complete"]:
            facts = np.load(self.folder / FACTS, mmap_mode="r", allow_pickle=False)[keys_nk[:, 0]]
            block |= {
                "signals": _bits(facts[:, 0], len(self.placements)), "has_pose": facts[:, 1] == 1, "unknown": facts[:, 2] == 1,
                "rate": (facts[:, 3] / 1000).astype(np.float32),
            }  # fmt: skip
        return block

    def _read_rows(self, file: str, shard_n: np.ndarray, row_n: np.ndarray, there_n: np.ndarray, out: np.ndarray) -> None:
        """Read rows of the shards' arrays straight into `out`: three times as fast as a memory map, and no page stays in memory."""
        size = out[0].nbytes
        target = out.reshape(-1).view(np.uint8).data
        names, windows = self._index["shards"], np.diff(self._index["first_window"]).tolist()
        with ExitStack() as opened:
            begins: dict[int, tuple[int, int]] = {}
            for i, (shard, row, there) in enumerate(zip(shard_n.tolist(), row_n.tolist(), there_n.tolist(), strict=True)):
                if not there:
                    out[i] = 0
                    continue
                if shard not in begins:
                    stream = opened.enter_context((self.folder / names[shard] / file).open("rb", buffering=0))
                    header = os.fstat(stream.fileno()).st_size - windows[shard] * size
                    begins[shard] = stream.fileno(), header
                descriptor, begin = begins[shard]
                if os.preadv(descriptor, [target[i * size : (i + 1) * size]], begin + row * size) != size:
                    raise OSError(
                        f"{self.folder / names[shard] / file} has become shorter since it was written: cut the windows again"
                    )


@lru_cache(maxsize=8)  # keyed by the digest of the content, so never out of date
def _read_index(store: WindowStore) -> dict[str, Any]:
    return json.loads((store.folder / INDEX).read_text(encoding="utf-8"))


@lru_cache(maxsize=256)  # the units of a few pools
def _rows(store: WindowStore, unit: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(row in the shard's arrays, keys) of every window of a part in a unit, in order."""
    shard, _ = _read_index(store)["units"][unit]
    first, last = _read_index(store)["first_window"][shard : shard + 2]
    keys = np.load(store.folder / KEYS, mmap_mode="r", allow_pickle=False)[first:last]
    row = np.flatnonzero((keys[:, 3] == PARTS.index(part)) & (keys[:, 4] == unit))
    return row, keys[row, :3].astype(np.int64)
