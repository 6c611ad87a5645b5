"""Damage, from thoughtless to hostile: what happens to a file's bytes, to its arrays and names, and to a user's settings.

Everything is drawn from one generator, so that a seed and a number name an input for good.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.hostile import HOSTILE_NUMBERS, HOSTILE_TOKENS, HOSTILE_WORDS, PROGRAMS, SETTING_VALUES, npy_members, zeros_member
from fuzz.originals import Original, Raw, npy

Rng = np.random.Generator


def pick(rng: Rng, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


# bytes ----------------------------------------------------------------------------------------------------------------------


def blind(data: bytes, rng: Rng) -> bytes:
    """Bit flips, cuts, splices, repeated and removed blocks, zero fill, appended junk: one to three of them."""
    held = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = len(held)
        if not size:
            break
        start = int(rng.integers(size)) if rng.random() < 0.5 else int(rng.integers(min(size, 600)))
        stop = min(size, start + int(rng.integers(1, 200)))
        kind = int(rng.integers(8))
        if kind == 0:
            for place in rng.integers(size, size=int(rng.integers(1, 9))):
                held[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            for place in rng.integers(min(size, 600), size=int(rng.integers(1, 9))):
                held[place] = int(rng.integers(256))
        elif kind == 2:
            del held[start:]
        elif kind == 3:
            held[start:start] = held[start:stop] * int(rng.integers(1, 30))
        elif kind == 4:
            del held[start:stop]
        elif kind == 5:
            held[start:stop] = bytes(stop - start)
        elif kind == 6:
            held += rng.bytes(int(rng.integers(1, 300)))
        else:
            there = int(rng.integers(size))
            held[start:stop] = held[there : there + stop - start]
    return bytes(held)


# zip ----------------------------------------------------------------------------------------------------------------------


def hostile_zip(data: bytes, rng: Rng) -> bytes:
    """A zip with a header field that lies, members twice or with odd names, an unknown compression, a lock or a bomb."""
    out = io.BytesIO()
    kind = int(rng.integers(8))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as read, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            for info in read.infolist():
                content = read.read(info)
                name = info.filename
                if kind == 0:
                    name = pick(rng, ["../../", "/", "C:\\", "\x01", "a" * 300 + "/", "ü/", "."]) + name
                elif kind == 1:
                    made.writestr(name, content[: len(content) // 2])
                elif kind == 2:
                    content = bytes(int(rng.integers(1, 60)) << 18)
                elif kind == 3:
                    nested = io.BytesIO()
                    with zipfile.ZipFile(nested, "w") as inner:
                        inner.writestr(name, content)
                    content = nested.getvalue()
                elif kind == 4:
                    name = name.upper() if rng.random() < 0.5 else name + "/"
                method = pick(rng, [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
                made.writestr(name, content, compress_type=method)
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError):
        return blind(data, rng)
    held = bytearray(out.getvalue())
    if kind >= 5:  # a field of a local header, of the central directory, or of its end: flags, sizes, offsets, method, CRC
        signature = pick(rng, [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"])
        places = [found.start() for found in re.finditer(re.escape(signature), bytes(held))]
        for _ in range(int(rng.integers(1, 3)) if places else 0):
            place = pick(rng, places) + 4 + int(rng.integers(0, 24))
            width = pick(rng, [1, 2, 4])
            held[place : place + width] = pick(
                rng, [b"\xff" * width, bytes(width), rng.bytes(width), b"\x01" + bytes(width - 1)]
            )
    return bytes(held)


# trees ----------------------------------------------------------------------------------------------------------------------


def damaged_tree(tree: Any, rng: Rng, raw: tuple[bytes, ...]) -> Any:
    """One to three changes at random places of a tree; `raw` are programs that may stand for a value."""
    for _ in range(int(pick(rng, (1, 1, 1, 2, 3)))):
        holder: list[Any] = [tree]
        place: Any = 0
        where: Any = holder
        while rng.random() < 0.85:  # walk down
            value = where[place]
            if isinstance(value, dict) and value:
                where, place = value, pick(rng, list(value))
            elif isinstance(value, list) and value:
                where, place = value, int(rng.integers(len(value)))
            else:
                break
        _change(where, place, rng, raw)
        tree = holder[0]
    return tree


def _change(where: Any, place: Any, rng: Rng, raw: tuple[bytes, ...]) -> None:
    value, kind = where[place], rng.random()
    if isinstance(where, dict) and kind < 0.25:
        action = int(rng.integers(3))
        if action == 0:
            del where[place]
        elif action == 1:
            where[pick(rng, [*HOSTILE_WORDS, 10**5000, -1, None, b"\xff", (1, (2,)), 1e300, float("nan")])] = where.pop(place)
        else:
            other = pick(rng, list(where))
            where[place], where[other] = where[other], where[place]
    elif kind < 0.35 and raw:
        where[place] = Raw(pick(rng, raw))
    elif kind < 0.5:
        where[place] = _foreign(rng)
    elif isinstance(value, np.ndarray):
        where[place] = damaged_array(value, rng)
    elif isinstance(value, list) and value:
        action = int(rng.integers(4))
        where[place] = [value[:-1], value * 2, [], [*value, pick(rng, [None, "x", 1e300, {}])]][action]
    elif isinstance(value, str):
        where[place] = damaged_text(value, rng) if "\n" in value else pick(rng, HOSTILE_WORDS)
    else:
        where[place] = pick(rng, HOSTILE_NUMBERS)


def _foreign(rng: Rng) -> Any:
    return pick(
        rng,
        [None, [], {}, "x", b"\xff\x00", 3, float("nan"), [[[[1.0]]]], [1, [2, 3]], [1.0, "a"], np.zeros(0), np.zeros((0, 3)),
         np.zeros((5, 0, 3)), np.float64(1), {"a": 1}, True, np.array("text"), np.zeros((2, 2, 2, 2)), np.int64(-7), 1j,
         pick(rng, HOSTILE_WORDS), pick(rng, HOSTILE_NUMBERS)],
    )  # fmt: skip


def damaged_array(value: np.ndarray, rng: Rng) -> np.ndarray:
    """Another dtype, shape, length or unit, or values that are not finite or huge."""
    kind = int(rng.integers(12))
    numeric = value.dtype.kind in "fiu"
    with np.errstate(all="ignore"):
        if kind <= 1:
            dtype = pick(rng, ["O", "U7", "S3", "c16", "?", "i1", "i8", "u2", "f2", ">f8", "f4", "M8[s]", "V8", "g"])
            try:
                return value.astype(dtype)
            except (ValueError, TypeError):
                return value.astype("O")
        if kind == 2:
            shapes: list[Callable[[], np.ndarray]] = [
                lambda: value.reshape(-1), lambda: value[..., None], lambda: value[None], lambda: value.T,
                lambda: np.asfortranarray(value), lambda: value[..., :-1] if value.ndim else value,
                lambda: np.concatenate([value, value], -1) if value.ndim else value, lambda: value.reshape(-1)[0],
            ]  # fmt: skip
            try:
                return np.asarray(pick(rng, shapes)())
            except IndexError:
                return value
        if kind <= 4 and value.ndim:
            count = pick(rng, [0, 1, 2, max(len(value) - 1, 0)])
            return value[:count] if rng.random() < 0.8 else np.concatenate([value] * int(rng.integers(2, 60)))
        if not numeric or not value.size:
            return np.array(pick(rng, HOSTILE_WORDS), dtype=object if rng.random() < 0.2 else None)
        held = value.astype(np.float64)
        if kind <= 7:
            entries = rng.integers(held.size, size=int(rng.integers(1, 5)))
            number = pick(rng, [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e300, 1e-310, 9e5, -9e5, 0.5, -1.0])
            held.reshape(-1)[entries] = number
        elif kind == 8:
            held[...] = pick(rng, [np.nan, np.inf, 0.0, 1e38, 1e-40, -1.0, 1e6, 1.0])
        elif kind == 9:
            held = held * pick(rng, [1e-30, 1e-3, 0.01, 39.37, 100.0, 1000.0, -1.0, 1e5])
        elif kind == 10 and held.ndim:
            held[..., int(rng.integers(held.shape[-1]))] = pick(rng, [np.nan, 0.0, 1e5, np.inf])
        elif held.ndim:
            held = rng.permutation(held) if rng.random() < 0.5 else held[::-1]
        return held.astype(value.dtype) if value.dtype.kind == "f" and rng.random() < 0.5 else held


# text -----------------------------------------------------------------------------------------------------------------------


def damaged_text(text: str, rng: Rng) -> str:
    """Tokens replaced, lines removed, repeated or swapped, joints renamed, counts changed, blocks nested deeper."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(1, 5))):
        if not lines:
            break
        row, other = (int(n) for n in rng.integers(len(lines), size=2))
        if rng.random() < 0.5:  # the hierarchy of a BVH is its first part, and its least forgiving
            row = int(rng.integers(min(len(lines), 120)))
        kind = int(rng.integers(9))
        if kind <= 2:
            words = lines[row].split(" ")
            words[int(rng.integers(len(words)))] = pick(rng, HOSTILE_TOKENS)
            lines[row] = " ".join(words)
        elif kind == 3:
            del lines[row]
        elif kind == 4:
            lines[row:row] = lines[row : row + int(rng.integers(1, 12))] * int(rng.integers(1, 4))
        elif kind == 5:
            lines[row], lines[other] = lines[other], lines[row]
        elif kind == 6:
            depth = pick(rng, [3, 50, 2000])
            lines[row:row] = ["JOINT Left", "{", "OFFSET 0 1 0", "CHANNELS 3 Zrotation Xrotation Yrotation"] * depth
            if rng.random() < 0.5:
                lines[row + 4 * depth : row + 4 * depth] = ["End Site", "{", "OFFSET 0 0 0", "}"] + ["}"] * depth
        elif kind == 7:
            names = [k for k, line in enumerate(lines) if "JOINT" in line or "ROOT" in line]
            if names:
                chosen = pick(rng, names)
                lines[chosen] = lines[chosen].rsplit(" ", 1)[0] + " " + pick(rng, ["Hips", "LeftArm", "", "a b", "ü", "_", ":"])
        else:
            counts = [k for k, line in enumerate(lines) if line.startswith(("Frame", "\tCHANNELS"))]
            if counts:
                chosen = pick(rng, counts)
                lines[chosen] = re.sub(
                    r"[\d.]+", pick(rng, [t for t in HOSTILE_TOKENS if "\\" not in t]), lines[chosen], count=1
                )
    ending = pick(rng, ["\n", "\r\n", "\r", "\n\n"]) if rng.random() < 0.1 else "\n"
    return ending.join(lines) + "\n"


# settings -------------------------------------------------------------------------------------------------------------------


def damaged_settings(keys: list[str], rng: Rng) -> list[str]:
    """One or two `key=value` as a user might mistype them."""
    made = []
    for _ in range(int(rng.integers(1, 3))):
        key = pick(rng, [*keys, "fpss", "", "a.b", "fps.x"]) if rng.random() < 0.3 else pick(rng, keys)
        made.append(f"{key}={pick(rng, SETTING_VALUES)}")
    return made


# files ----------------------------------------------------------------------------------------------------------------------


def write_damaged(folder: Path, original: Original, rng: Rng) -> Path:
    """One damaged input of a source below `folder`; returns the path that a user would give."""
    file = folder / original.name
    kind, tree = rng.random(), original.tree()
    raw = PROGRAMS if original.pickled else ()
    members = npy_members() if original.name.endswith(".npz") else ()
    if kind < 0.3:
        original.write(file, tree)
        file.write_bytes(blind(file.read_bytes(), rng))
    elif kind < 0.36 and original.pickled:
        program = b"\x80\x04" + pick(rng, PROGRAMS) + b"."
        file.write_bytes(npy(Raw(program)) if original.name.endswith("npy") else program)
    elif kind < 0.44 and members and isinstance(tree, dict):
        member = pick(rng, members) if rng.random() < 0.97 else zeros_member(64)
        original.write(file, {**tree, pick(rng, list(tree)): Raw(member)})
    elif kind < 0.5 and original.name.endswith((".zip", ".npz", ".pt")):
        original.write(file, tree)
        file.write_bytes(hostile_zip(file.read_bytes(), rng))
    else:
        if isinstance(tree, str):
            tree = damaged_text(tree, rng)
        else:
            tree = damaged_tree(tree, rng, (*raw, *members) if original.pickled else members)
        try:
            original.write(file, tree)
        except Exception:  # the format's own writer refuses some trees, such as text that is no text
            original.write(file, original.tree())
            file.write_bytes(blind(file.read_bytes(), rng))
        if rng.random() < 0.1:
            file.write_bytes(blind(file.read_bytes(), rng))
    if rng.random() < 0.1 and original.name.endswith((".zip", ".npz", ".bvh", ".pkl", ".pt")):
        return _as_folder(folder, file)
    return file


def _as_folder(folder: Path, file: Path) -> Path:
    """The same input as a folder: a zip unpacked (where it can be), a file within."""
    inside = folder / "folder"
    inside.mkdir()
    if file.suffix == ".zip":
        try:
            with zipfile.ZipFile(file) as archive:
                archive.extractall(inside)
        except Exception:  # too damaged to unpack
            return file
        return inside
    file.rename(inside / file.name)
    return inside
