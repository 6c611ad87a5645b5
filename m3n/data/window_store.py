"""Windows on disk, cut once per table and read in any order.

Every shard of synthetic clips becomes a folder with `imu.npy` and `pose.npy`, plain arrays from which readers take the rows they
need, `keys.npy`, which says what every row shows, and `clips.json`, in which its numbers are looked up. The last one is written
last, so that a shard that has one is complete and is reused when the same work is done again. `index.json` and small arrays beside
the shards hold what must be known about all clips at once: the numbers of sentences and labels, the validation subjects, the
scale of the signals. Sentences are stored once; windows refer to them by number.

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
from m3n.data.windows import POSE_FEATURES, Normaliser, check_short, cut_clips, numbered
from m3n.io import tables
from m3n.io.storage import Location
from m3n.randomness import generator

CLIPS, INDEX, KEYS, SENTENCES = "clips.json", "index.json", "keys.npy", "sentences.npy"
PARTS = ("train", "val")
Block = dict[str, np.ndarray]  # imu (n, p, t, 6) m/s² and rad/s, pose (n, f, d), keys (n, k)


def cut_shard(shard: Location, folder: Path, shape: WindowsConfig, placements: Sequence[str], excluded: Iterable[str]) -> None:
    """Cut the clips of one shard into `folder`, unless the same windows are there already.

    Clips of `excluded` subjects are left out. Raises InputError for a shard that cannot be read and for a clip with bad values.
    """
    excluded = sorted(excluded)
    schema.validate_synthetic_clips(tables.read_schema(shard), str(shard))
    shape_facts = {name: getattr(shape, name) for name in ("window_s", "hop_s", "pose_fps", "rate_hz", "pad_short")}
    facts = {
        "input": tables.file_sha256(shard), "shape": shape_facts, "placements": list(placements), "excluded": excluded,
        "keys": "by window",
    }  # fmt: skip
    if (folder / CLIPS).is_file():
        if json.loads((folder / CLIPS).read_text(encoding="utf-8"))["facts"] == facts:
            return
        shutil.rmtree(folder)

    rows = (row for row in tables.synthetic_rows(shard, placements) if row["subject"] not in excluded)
    found = cut_clips(rows, shape, placements)
    folder.mkdir(parents=True, exist_ok=True)
    _write_array(folder / "imu.npy", found.imu_npt6)
    _write_array(folder / "pose.npy", found.pose_nfd)
    squares = np.square(found.imu_npt6, dtype=np.float64).sum((1, 2)).reshape(-1, 2, 3).sum(-1)  # of every window
    (texts, text_n), (labels, label_n) = numbered(found.texts), numbered(found.labels)
    _write_array(folder / KEYS, np.stack([found.clip, text_n, label_n], axis=1).astype(np.int32))
    clips = len(found.clip_ids)
    description = {
        "facts": facts, "clip_ids": found.clip_ids, "sources": found.sources, "subjects": found.subjects, "texts": texts,
        "labels": labels, "windows": np.bincount(found.clip, minlength=clips).tolist(),
        "squares": [np.bincount(found.clip, squares[:, i], clips).tolist() for i in range(2)], "short": found.short,
    }  # fmt: skip
    tables.write_text(folder / CLIPS, json.dumps(description))


def write_index(
    folder: Path,
    shards: Sequence[str],
    shape: WindowsConfig,
    placements: Sequence[str],
    *,
    val_share: float,
    seed: int,
    embed: Callable[[list[str]], np.ndarray],
) -> WindowStore:
    """Number sentences, labels and clips over all cut shards, draw the validation subjects, and fit the normaliser on the others.

    `val_share` of the subjects validate, at least one and never all. `embed` turns sentences into vectors. Raises InputError if too
    many clips are too short, or none is left.
    """
    texts: dict[str, int] = {}
    labels: dict[str, int] = {}
    people: dict[str, int] = {}
    sources: dict[str, set[str]] = {}
    keys: list[np.ndarray] = []  # per shard (n, 3): clip, sentence, label
    windows: list[int] = []  # of every clip
    person: list[int] = []  # of every clip
    squares: list[np.ndarray] = []  # per shard (clips, 2)
    short: list[str] = []
    inputs: list[str] = []
    for name in shards:
        found = json.loads((folder / name / CLIPS).read_text(encoding="utf-8"))
        clip_n, text_n, label_n = np.load(folder / name / KEYS, allow_pickle=False).T
        text_n, label_n = _renumbered(text_n, found["texts"], texts), _renumbered(label_n, found["labels"], labels)
        keys.append(np.stack([clip_n + len(windows), text_n, label_n], axis=1))
        windows += found["windows"]
        person += [people.setdefault(s, len(people)) for s in found["subjects"]]
        squares.append(np.array(found["squares"], np.float64).T)
        for source, subject in zip(found["sources"], found["subjects"], strict=True):
            sources.setdefault(source, set()).add(subject)
        short += found["short"]
        inputs.append(found["facts"]["input"])
    check_short(short, len(windows), shape)
    names = sorted(people)
    count = 0 if val_share == 0 else min(max(round(val_share * len(names)), 1), len(names) - 1)
    held_out = [people[name] for name in generator(seed, "pretrain", "val").permutation(names)[:count]]
    part_of_clip = np.isin(person, held_out).astype(np.int32)  # index into PARTS
    trained = part_of_clip == 0
    samples = 3 * len(placements) * shape.samples * max(1, int(np.array(windows)[trained].sum()))
    acc, gyro = np.sqrt(np.concatenate(squares)[trained].sum(0) / samples)
    parts = [part_of_clip[k[:, 0]] for k in keys]
    _write_array(folder / KEYS, np.column_stack([np.concatenate(keys), np.concatenate(parts)]))
    vectors = embed(list(texts) or [""])
    _write_array(folder / SENTENCES, np.concatenate([vectors[: len(texts)], np.zeros_like(vectors[:1])]))
    content = {
        "shards": list(shards),
        "clips": len(windows),
        "first_window": np.cumsum([0, *map(len, keys)]).tolist(),
        "windows": {name: [int((p == part).sum()) for p in parts] for part, name in enumerate(PARTS)},
        "placements": list(placements),
        "shapes": {"imu": [len(placements), shape.samples, 6], "pose": [shape.pose_frames, POSE_FEATURES]},
        "normaliser": [float(acc) or 1.0, float(gyro) or 1.0],
        "subjects": {source: sorted(found) for source, found in sorted(sources.items())},
        "short": len(short),
        "data_sha256": hashlib.sha256("".join(inputs).encode()).hexdigest(),
    }
    tables.write_text(folder / INDEX, json.dumps(content))
    return WindowStore.open(folder)


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
    def short(self) -> int:
        """Clips left out because they are shorter than a window."""
        return self._index["short"]

    @property
    def clips(self) -> int:
        """Clips with windows."""
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
        """Windows of a part ("train" or "val") in every shard."""
        return np.array(self._index["windows"][part], np.int64)

    def read(self, part: str, shard_n: np.ndarray, position_n: np.ndarray) -> Block:
        """Windows by shard number and position among that shard's windows of the part, in the given order."""
        row_n, keys_nk = np.empty(len(shard_n), np.int64), np.empty((len(shard_n), 3), np.int64)
        for shard in np.unique(shard_n):
            mine = shard_n == shard
            row, keys = _rows(self, int(shard), part)
            row_n[mine], keys_nk[mine] = row[position_n[mine]], keys[position_n[mine]]
        block = {"keys": keys_nk}
        windows = self.counts("train") + self.counts("val")
        for name, shape in self._index["shapes"].items():
            block[name] = np.empty((len(shard_n), *shape), np.float32)
            self._read_rows(f"{name}.npy", shard_n, row_n, windows, block[name])
        return block

    def _read_rows(self, file: str, shard_n: np.ndarray, row_n: np.ndarray, windows: np.ndarray, out: np.ndarray) -> None:
        """Read rows of the shards' arrays straight into `out`: three times as fast as a memory map, and no page stays in memory."""
        size = out[0].nbytes
        target = out.reshape(-1).view(np.uint8).data
        names = self._index["shards"]
        with ExitStack() as opened:
            begins: dict[int, tuple[int, int]] = {}
            for i, (shard, row) in enumerate(zip(shard_n.tolist(), row_n.tolist(), strict=True)):
                if shard not in begins:
                    stream = opened.enter_context((self.folder / names[shard] / file).open("rb", buffering=0))
                    header = os.fstat(stream.fileno()).st_size - int(windows[shard]) * size
                    begins[shard] = stream.fileno(), header
                descriptor, begin = begins[shard]
                if os.preadv(descriptor, [target[i * size : (i + 1) * size]], begin + row * size) != size:
                    raise OSError(
                        f"{self.folder / names[shard] / file} has become shorter since it was written: cut the windows again"
                    )


@lru_cache(maxsize=8)  # keyed by the digest of the content, so never out of date
def _read_index(store: WindowStore) -> dict[str, Any]:
    return json.loads((store.folder / INDEX).read_text(encoding="utf-8"))


@lru_cache(maxsize=256)  # the shards of a few pools
def _rows(store: WindowStore, shard: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(row in the shard's arrays, keys) of every window of a part in a shard, in order."""
    first, last = _read_index(store)["first_window"][shard : shard + 2]
    keys = np.load(store.folder / KEYS, mmap_mode="r", allow_pickle=False)[first:last]
    row = np.flatnonzero(keys[:, 3] == PARTS.index(part))
    return row, keys[row, :3].astype(np.int64)
