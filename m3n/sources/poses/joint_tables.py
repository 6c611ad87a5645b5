"""Joints in CSV and JSON, as scripts around MediaPipe, Kinect and pose lifters write them.

CSV: a line a frame with columns like left_wrist_x, WristLeftX or x15, or a line a joint with its name or number and x, y, z.
JSON: a list of frames, or an object with `frames`; a frame is a list of points or of people, or an object that names its joints.
Numbers of frames and time stamps place the frames; those that are missing stay NaN. Points without a depth are refused.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from m3n.errors import InputError, shown
from m3n.sources.recordings.csv_dialect import found_dialect
from m3n.sources.recordings.time_stamps import SECONDS, named_unit
from m3n.sources.shared.bare_joints import JointFile
from m3n.sources.shared.pose_rows import MAX_FRAMES, FloatArray
from m3n.untrusted.pickles import read_file

_LARGEST = 1 << 30  # bytes
_AXIS = re.compile(r"^(?P<name>.*?)[\s_.\-:]*[(\[]?(?P<axis>[xyz])[)\]]?$", re.IGNORECASE)
_NUMBERED = re.compile(r"^(?P<axis>[xyz])[\s_.\-]*(?P<name>\d+)$", re.IGNORECASE)
_SURENESS = re.compile(
    r"(?:^|[\s_.\-])(?:v|c|vis|visibility|presence|conf|confidence|score|prob|likelihood|tracking_?state)\d*$", re.IGNORECASE
)
_FRAME = ("frame", "frame_id", "frame_number", "frame_index", "frameid", "frame_no", "framenumber", "image_id")
_TIME = re.compile(r"^(time|timestamp|time_?stamp)s?(_?(s|sec|ms|us|usec|ns))?$", re.IGNORECASE)
_PERSON = ("person", "person_id", "body_id", "track_id", "id", "people_id", "personid", "bodyid", "trackid")
_JOINT = ("joint", "joint_name", "landmark", "landmark_name", "keypoint", "keypoint_name", "name", "part", "joint_id",
          "landmark_id", "keypoint_id", "landmark_index", "joint_index", "type", "index")  # fmt: skip
_WORLD = ("poseworldlandmarks", "worldlandmarks", "joints", "joint_positions", "keypoints3d", "keypoints_3d", "joints3d",
          "positions", "landmarks3d")  # fmt: skip
_IMAGE = ("poselandmarks", "landmarks", "keypoints", "keypoints2d", "pose_keypoints_2d", "points")
_PEOPLE = ("bodies", "people", "persons", "poses", "instances", "skeletons")
_OFF = 0.02  # share by which a rate that is given may be off from that of the time stamps
_FLAT = "2-D poses have no depth, which the body fit needs; 3-D joints are expected (of MediaPipe: its world landmarks)"

Point = tuple[float, float, float]
_UNSEEN: Point = (np.nan, np.nan, np.nan)
_Sample = tuple[float | None, str, dict[str, Point]]  # frame or time s, person, joint -> point


def from_csv(file: Path, names: list[str] | None) -> list[JointFile]:
    """The people of a CSV file; `names` of joints where its columns are numbered, or have no names at all."""
    _check_size(file)
    with file.open("rb") as stream:
        first = stream.readline(1 << 16).decode("utf-8", "replace").strip("\ufeff\r\n")
    words = [word for word in re.split(r"[,;\t ]+", first) if word]
    bare = len(words) > 6 and not any(re.search(r"[a-df-zA-DF-Z]", word.replace("nan", "")) for word in words)
    if bare and (names is None or len(words) != 3 * len(names)):
        wanted = "joint_names=" if names is None else f"{3 * len(names)}, x y z of each of {len(names)} joints"
        raise InputError(f"{file.name}: has {len(words)} columns without names, expected {wanted}")
    titles = [f"{name}_{axis}" for name in names or [] for axis in "xyz"] if bare else None
    dialect = found_dialect(file, None, None, None, titles)
    columns = _Columns(file.name, list(dialect.names))
    samples: list[_Sample] = []
    try:
        with file.open("r", encoding=dialect.encoding, newline="", errors="replace") as stream:
            for _ in range(dialect.skipped):
                stream.readline()
            for number, row in enumerate(csv.reader(stream, delimiter=dialect.delimiter), dialect.skipped + 1):
                if any(field.strip() for field in row):
                    samples += columns.samples(row, f"{file.name}, line {number}", dialect.decimal)
    except (OSError, csv.Error) as error:
        raise InputError(f"{file.name}: cannot be read as CSV ({shown(str(error))})") from error
    return _people(file.name, samples, columns.timed, names=columns.order)


class _Columns:
    """What the columns of a CSV of joints are."""

    def __init__(self, where: str, titles: list[str]) -> None:
        plain = [title.strip() for title in titles]
        low = [title.lower() for title in plain]
        self._where = where
        self._frame = next((k for k, name in enumerate(low) if name in _FRAME), None)
        self._time = next((k for k, name in enumerate(low) if _TIME.match(name)), None)
        self._person = next((k for k, name in enumerate(low) if name in _PERSON), None)
        unit = None if self._time is None else named_unit(plain[self._time])
        self._scale = SECONDS.get(unit or "", 0.0)
        self.timed = bool(self._scale)
        self._joint = None
        self._at: dict[str, dict[str, int]] = {}
        for k, title in enumerate(plain):
            if k in (self._frame, self._time, self._person) or _SURENESS.search(title):
                continue
            found = _NUMBERED.match(title) or _AXIS.match(title)
            if found is not None:
                axes = self._at.setdefault(found["name"].strip(), {})
                if found["axis"].lower() in axes:
                    raise InputError(f"{where}: the column {shown(title)} is there twice")
                axes[found["axis"].lower()] = k
        if set(self._at) == {""}:
            self._joint = next(
                (k for name in _JOINT for k, title in enumerate(low) if title == name and k != self._person), None
            )
            if self._joint is None:
                raise InputError(
                    f"{where}: columns x, y, z without a column that says the joint; expected one called landmark or joint"
                )
        flat = next((name for name, axes in self._at.items() if {"x", "y"} <= set(axes) and "z" not in axes), None)
        if flat is not None:
            raise InputError(f"{where}: has x and y{f' of {shown(flat)}' if flat else ''} but no z: {_FLAT}")
        self._at = {name: axes for name, axes in self._at.items() if set(axes) == {"x", "y", "z"}}
        if not self._at:
            listed = ", ".join(map(shown, plain[:9]))
            raise InputError(
                f"{where}: no columns of joints; expected left_wrist_x, left_wrist_y, left_wrist_z and so on; there are {listed}"
            )
        self.order = _ordered(list(self._at)) if self._joint is None else None

    def samples(self, row: list[str], where: str, decimal: str) -> Iterator[_Sample]:
        """The line as (frame, person, joints)."""
        frame = None
        if self.timed and self._time is not None:
            frame = _number(row, self._time, where, decimal) * self._scale
        elif self._frame is not None:
            frame = _number(row, self._frame, where, decimal)
        person = row[self._person].strip() if self._person is not None and self._person < len(row) else ""
        at = {name: tuple(_number(row, axes[axis], where, decimal) for axis in "xyz") for name, axes in self._at.items()}
        if self._joint is not None:
            name = row[self._joint].strip() if self._joint < len(row) else ""
            at = {name: at[""]}
        yield frame, person, at  # type: ignore[misc]


def _number(row: list[str], column: int, where: str, decimal: str) -> float:
    text = row[column].strip() if column < len(row) else ""
    if decimal == ",":
        text = text.replace(",", ".")
    if text.lower() in ("", "nan", "null", "none", "na"):
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where}, column {column + 1}: '{shown(text)}' stands where a number belongs") from None


def from_json(file: Path) -> list[JointFile]:
    """The people of a JSON file."""
    _check_size(file)
    try:
        held = json.loads(read_file(file).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file.name}: cannot be read as JSON ({shown(str(error))})") from None
    about = held if isinstance(held, dict) else {}
    frames = next(
        (about[key] for key in ("frames", "data", "joints", "results", "poses") if isinstance(about.get(key), list)), held
    )
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{file.name}: holds no list of frames; expected one, or an object with frames")
    if len(frames) > MAX_FRAMES:
        raise InputError(f"{file.name}: has {len(frames)} frames, over the limit of {MAX_FRAMES}; split the file")
    samples: list[_Sample] = []
    stamps = False
    for number, frame in enumerate(frames):
        where = f"{file.name}, frame {number}"
        when: float | None = float(number)
        if isinstance(frame, dict):
            named = next((key for key in frame if str(key).lower() in _FRAME), None)
            clock = next((key for key in frame if _TIME.match(str(key)) and named_unit(str(key).replace("usec", "us"))), None)
            if clock is not None and _is_number(frame[clock]):
                when, stamps = frame[clock] * SECONDS[str(named_unit(str(clock).replace("usec", "us")))], True
            elif named is not None and _is_number(frame[named]):
                when = float(frame[named])
        for person, points in _people_of(frame, where):
            samples.append((when, person, points))
    names = about.get("joint_names") or about.get("names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InputError(f"{file.name}: joint_names holds {type(names).__name__}, expected a list of texts")
    fps = next((about[key] for key in ("fps", "frame_rate", "framerate") if key in about), None)
    if fps is not None and not _is_number(fps):
        raise InputError(f"{file.name}: fps is '{shown(str(fps))}', expected a number")
    words: dict[str, Any] = {key: about.get(key) for key in ("up", "unit", "text", "subject", "label")}
    words = {key: str(word) if isinstance(word, int) else word for key, word in words.items()}
    wrong = next((key for key, word in words.items() if word is not None and not isinstance(word, str)), None)
    if wrong is not None:
        raise InputError(f"{file.name}: {wrong} holds {type(words[wrong]).__name__}, expected a text")
    made = _people(file.name, samples, stamps, names=names, fps=None if fps is None else float(fps))
    return [replace(one, **words) for one in made]


def _people_of(frame: Any, where: str) -> Iterator[tuple[str, dict[str, Point]]]:
    """(person, joint -> point) of everybody in a frame."""
    if frame is None or frame in ([], {}):
        return
    if isinstance(frame, dict):
        for name in _PEOPLE:
            if isinstance(frame.get(name), list):
                for number, body in enumerate(frame[name]):
                    own = body if isinstance(body, dict) else {}
                    person = next((str(own[key]) for key in _PERSON if key in own), str(number))
                    for _, points in _people_of(body, where):
                        yield person, points
                return
        low = {str(key).lower().replace("_", ""): key for key in frame}
        inner = next((low[key.replace("_", "")] for key in (*_WORLD, *_IMAGE) if key.replace("_", "") in low), None)
        if inner is not None:
            yield from _people_of(frame[inner], where)
            return
        points = {str(name): _point(value, where) for name, value in frame.items() if isinstance(value, list | dict)}
        if points:
            yield "", points
        return
    if not isinstance(frame, list):
        raise InputError(f"{where}: holds {type(frame).__name__}, expected a list of points or an object that names them")
    if all(_is_number(value) for value in frame):
        if len(frame) % 3:
            raise InputError(f"{where}: {len(frame)} numbers, expected x, y, z of every joint; {_FLAT}")
        frame = [frame[k : k + 3] for k in range(0, len(frame), 3)]
    if isinstance(frame[0], list) and frame[0] and isinstance(frame[0][0], list | dict):
        for number, person in enumerate(frame):
            for _, points in _people_of(person, where):
                yield (str(number) if len(frame) > 1 else ""), points
        return
    made = {}
    for number, value in enumerate(frame):
        own = value if isinstance(value, dict) else {}
        name = next(
            (own[key] for key in ("name", "part", "joint", "type", "bodyPart") if isinstance(own.get(key), str)), str(number)
        )
        made[name] = _point(value, where)
    yield "", made


def _point(value: Any, where: str) -> Point:
    if value is None:
        return _UNSEEN
    if isinstance(value, dict):
        low = {str(key).lower(): held for key, held in value.items()}
        if "x" not in low and isinstance(low.get("position"), list | dict):
            return _point(low["position"], where)
        if {"x", "y"} <= set(low) and "z" not in low:
            raise InputError(f"{where}: a point has x and y but no z: {_FLAT}")
        value = [low.get(axis) for axis in "xyz"]
    if not isinstance(value, list) or len(value) < 3:
        held = f"{len(value)} numbers" if isinstance(value, list) else type(value).__name__
        raise InputError(f"{where}: a point holds {held}, expected x, y, z; {_FLAT}")
    if not all(one is None or _is_number(one) for one in value[:3]):
        raise InputError(f"{where}: a point is '{shown(str(value[:3]))}', expected three numbers")
    x, y, z = (np.nan if one is None else float(one) for one in value[:3])
    return x, y, z


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _people(
    where: str, samples: list[_Sample], timed: bool, *, names: list[str] | None = None, fps: float | None = None
) -> list[JointFile]:
    """Samples put into an array a person: at the numbers of their frames, or at the frames that their time stamps make."""
    merged: dict[str, dict[float, dict[str, Point]]] = {}
    count: dict[str, int] = {}
    for when, person, points in samples:
        held = merged.setdefault(person, {})
        if when is None:
            when = float(count.setdefault(person, 0))
            count[person] += 1
        if not np.isfinite(when):
            raise InputError(f"{where}: a frame has no number or time")
        here = held.setdefault(when, {})
        twice = next((name for name in points if name in here), None)
        if twice is not None:
            raise InputError(
                f"{where}: frame {when:g} holds {shown(twice) or 'a joint'} twice; is there a column that tells people apart?"
            )
        here.update(points)
    if not merged:
        raise InputError(f"{where}: nobody is seen in any frame")
    rate = fps
    if timed:
        rate = _rate(where, [np.array(sorted(frames)) for frames in merged.values()], fps)
    order = _ordered(list(dict.fromkeys(name for frames in merged.values() for at in frames.values() for name in at)))
    numbered = all(name.isdecimal() or _trailing(order) is not None for name in order)
    if names is not None and len(names) != len(order):
        raise InputError(f"{where}: {len(names)} joint names for {len(order)} joints")
    made = []
    for number, (_, frames) in enumerate(sorted(merged.items(), key=lambda item: -len(item[1]))):
        stamp = np.array(sorted(frames))
        place = np.round((stamp - stamp[0]) * (rate or 1.0)) if timed else stamp - stamp[0]
        if (np.diff(place) < 1).any() or (place != np.round(place)).any() or place[-1] >= MAX_FRAMES:
            raise InputError(
                f"{where}: frames are numbered from {stamp[0]:g} to {stamp[-1]:g}, expected whole numbers in order"
            )
        array = np.full((int(place[-1]) + 1, len(order), 3), np.nan)
        for moment, row in zip(stamp, place.astype(int), strict=True):
            seen = frames[float(moment)]
            array[row] = [seen.get(name, _UNSEEN) for name in order]
        _check_values(where, array)
        made.append(
            JointFile(
                array,
                (None if numbered else order) if names is None else _unless_numbered(names),
                rate,
                person=f"{number + 1}" if number else "",
                is_measured=timed and fps is None,
            )
        )
    return made


def _rate(where: str, stamps: list[FloatArray], fps: float | None) -> float:
    steps = np.concatenate([np.diff(times) for times in stamps])
    if not len(steps) or not np.median(steps) > 0:
        raise InputError(f"{where}: the time stamps stand still")
    usual = steps[steps < 1.5 * np.median(steps)]  # whole milliseconds: 33, 33, 34
    rate = 1 / float(usual.mean())
    if fps is not None:
        if abs(fps / rate - 1) > _OFF:
            raise InputError(f"{where}: fps is {fps:g}, but the time stamps are {1 / rate:.4g} s apart, which is {rate:.4g} Hz")
        return fps
    return round(rate) if abs(round(rate) / rate - 1) < 0.01 and round(rate) else rate


def _ordered(names: list[str]) -> list[str]:
    """Names that are numbers, alone or after one word, by number; others as they come."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: int(name[:9]))
    key = _trailing(names)
    return names if key is None else sorted(names, key=lambda name: key[name])


def _trailing(names: list[str]) -> dict[str, int] | None:
    """Name -> number, where all are one word and a number: joint0, joint1 ..."""
    found = [re.match(r"^(.*?)(\d+)$", name) for name in names]
    if not all(found) or len({match[1] for match in found if match}) != 1:
        return None
    return {match[0]: int(match[2][:9]) for match in found if match}


def _unless_numbered(names: list[str]) -> list[str] | None:
    return None if all(name.isdecimal() for name in names) or _trailing(names) is not None else names


def _check_values(where: str, points: FloatArray) -> None:
    if np.nanmax(np.abs(np.where(np.isfinite(points), points, 0.0)), initial=0.0) > 1e6:
        raise InputError(f"{where}: the joints hold values over a million; is the file damaged?")


def _check_size(file: Path) -> None:
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file.name}: over {_LARGEST >> 20} MiB; split it")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
