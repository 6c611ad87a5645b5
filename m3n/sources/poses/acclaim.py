"""Acclaim's two text formats: the skeleton (ASF) and its motion (AMC), and the forward kinematics of both.

Bones start where their parent ends. At rest a bone's direction is given in the world; its axis system C says about which axes its
angles turn it, rotations being applied in the order in which they are written (`XYZ`: about x first). Bones that have no degrees of
freedom follow their parents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.sources.shared.pose_rows import MAX_FRAMES

FloatArray = NDArray[np.float64]
_MOST_BONES = 400
_AXES = ("rx", "ry", "rz")
_ROOT = ("tx", "ty", "tz", *_AXES)


@dataclass
class Bone:
    """A bone at rest: `vector` (3,), from its start to its end, of unit direction times `length`, `axes` (3, 3) and `dof`."""

    direction: FloatArray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axes: FloatArray = field(default_factory=lambda: np.eye(3))
    dof: tuple[str, ...] = ()
    parent: str = ""

    @property
    def vector(self) -> FloatArray:
        return self.direction * self.length


@dataclass
class Skeleton:
    """Bones by name, parents first; `length_unit`: what an inch measures in the file; the root's channels, and its place."""

    bones: dict[str, Bone]
    length_unit: float
    degrees: bool
    root_order: tuple[str, ...]
    root_axes: FloatArray
    root_place: FloatArray


def read_skeleton(data: bytes, where: str) -> Skeleton:
    """The skeleton in an ASF text. Raises InputError, naming the line, for anything that is not one."""
    lines = _lines(data)
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    current: list[tuple[int, list[str]]] = []
    for number, words in lines:
        if words[0].startswith(":"):
            current = sections.setdefault(words[0].lower(), [])
            words = words[1:]
        if words:
            current.append((number, words))
    for section in (":units", ":root", ":bonedata", ":hierarchy"):
        if section not in sections:
            raise InputError(f"{where}: no section {section}; is it an ASF skeleton, and whole?")
    units = {words[0].lower(): (number, words[1:]) for number, words in sections[":units"]}
    length = _number(where, *units.get("length", (0, ["1"])))
    if not length > 0:
        raise InputError(f"{where}, line {units['length'][0]}: the unit of length is {length:g}, expected a positive number")
    degrees = units.get("angle", (0, ["deg"]))[1][:1] != ["rad"]
    root = {words[0].lower(): (number, words[1:]) for number, words in sections[":root"]}
    order = tuple(word.lower() for word in root.get("order", (0, list(_ROOT)))[1])
    if sorted(order) != sorted(_ROOT):
        raise InputError(f"{where}: the root's order is '{shown(' '.join(order))}', expected TX TY TZ RX RY RZ in some order")
    orientation = _numbers(where, *root.get("orientation", (0, ["0", "0", "0"])), 3)
    place = _numbers(where, *root.get("position", (0, ["0", "0", "0"])), 3)
    turn_order = root.get("axis", (0, ["XYZ"]))[1][0].lower() if root.get("axis", (0, ["XYZ"]))[1] else "xyz"
    axes = _turn(orientation[None], [f"r{axis}" for axis in turn_order], degrees)[0]
    bones = _bones(sections[":bonedata"], degrees, where)
    return Skeleton(_ordered(bones, sections[":hierarchy"], where), length, degrees, order, axes, place)


def read_motion(data: bytes, skeleton: Skeleton, where: str) -> dict[str, FloatArray]:
    """Angles and the root's place, bone -> (F, number of channels) in the file's units, in an AMC text of a `skeleton`.

    Raises InputError, naming the line, for angles in another unit than the skeleton's, unknown bones, a wrong number of values,
    letters, and frames that lack a bone.
    """
    wanted = {"root": len(skeleton.root_order), **{name: len(bone.dof) for name, bone in skeleton.bones.items() if bone.dof}}
    frames: list[dict[str, list[float]]] = []
    starts: list[int] = []
    for number, words in _lines(data):
        if words[0].startswith(":"):
            if words[0].upper() in (":RADIANS", ":DEGREES") and (words[0].upper() == ":DEGREES") != skeleton.degrees:
                said = "degrees" if skeleton.degrees else "radians"
                raise InputError(f"{where}, line {number}: says {words[0]}, but its skeleton says {said}; correct one of them")
            continue
        if len(words) == 1 and words[0].isdigit():
            _check_frame(frames, starts, wanted, where)
            frames.append({})
            starts.append(number)
            if len(frames) > MAX_FRAMES:
                raise InputError(f"{where}: over {MAX_FRAMES} frames; split the file")
            continue
        bone = words[0].lower()
        if bone not in wanted:
            raise InputError(
                f"{where}, line {number}: '{shown(words[0])}' is no moving bone of the skeleton; is it the right ASF?"
            )
        if not frames:
            raise InputError(f"{where}, line {number}: values stand before the first frame's number")
        if bone in frames[-1]:
            raise InputError(f"{where}, line {number}: {bone} stands twice in one frame")
        frames[-1][bone] = list(_numbers(where, number, words[1:], wanted[bone], bone))
    _check_frame(frames, starts, wanted, where)
    if len(frames) < 2:
        raise InputError(f"{where}: has {len(frames)} frames, expected at least 2; is it an AMC motion, and whole?")
    return {bone: np.array([frame[bone] for frame in frames]) for bone in wanted}


def kinematics(skeleton: Skeleton, angles: dict[str, FloatArray]) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """World rotations (F, 3, 3) from rest and end points (F, 3), in the file's unit and axes, of `root` and of every bone."""
    values = {channel: angles["root"][:, k] for k, channel in enumerate(skeleton.root_order)}
    order = [channel for channel in skeleton.root_order if channel in _AXES]
    motion = _turn(np.stack([values[c] for c in order], axis=1), order, skeleton.degrees)
    place = np.stack([values[f"t{axis}"] for axis in "xyz"], axis=1) + skeleton.root_place
    turned = {"root": skeleton.root_axes @ motion @ skeleton.root_axes.T}
    ends = {"root": place}
    for name, bone in skeleton.bones.items():
        rotation = turned[bone.parent]
        if bone.dof:
            rotation = rotation @ bone.axes @ _turn(angles[name], bone.dof, skeleton.degrees) @ bone.axes.T
        turned[name] = rotation
        ends[name] = ends[bone.parent] + rotation @ bone.vector
    return turned, ends


def _lines(data: bytes) -> list[tuple[int, list[str]]]:
    text = data.decode("utf-8", "replace")
    numbered = ((number, line.split("#")[0].split()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, words) for number, words in numbered if words]


def _bones(lines: list[tuple[int, list[str]]], degrees: bool, where: str) -> dict[str, Bone]:
    bones: dict[str, Bone] = {}
    bone, name = Bone(), ""
    for number, (key, *values) in lines:
        if key == "begin":
            bone, name = Bone(), ""
        elif key == "name":
            name = values[0].lower() if values else ""
        elif key == "direction":
            bone.direction = _numbers(where, number, values, 3)
        elif key == "length":
            bone.length = _number(where, number, values)
        elif key == "axis":
            order = values[3].lower() if len(values) > 3 else "xyz"
            bone.axes = _turn(_numbers(where, number, values[:3], 3)[None], [f"r{axis}" for axis in order], degrees)[0]
        elif key == "dof":
            bone.dof = tuple(value.lower() for value in values)
            if any(value not in _AXES for value in bone.dof) or len(set(bone.dof)) < len(bone.dof):
                raise InputError(f"{where}, line {number}: dof is '{shown(' '.join(values))}', expected some of rx ry rz")
        elif key == "end":
            if not name or name in bones or name == "root":
                raise InputError(f"{where}, line {number}: the bone that ends here has no name of its own")
            bones[name] = bone
    if not bones or len(bones) > _MOST_BONES:
        raise InputError(f"{where}: {len(bones)} bones, expected 1 to {_MOST_BONES}; is the file whole?")
    return bones


def _ordered(bones: dict[str, Bone], lines: list[tuple[int, list[str]]], where: str) -> dict[str, Bone]:
    """The bones in the order of the hierarchy, parents first, with their parents."""
    ordered: dict[str, Bone] = {}
    for number, (parent, *children) in lines:
        parent = parent.lower()
        if parent in ("begin", "end") and not children:
            continue
        if parent != "root" and parent not in ordered:
            raise InputError(f"{where}, line {number}: '{shown(parent)}' has children but no parent before it")
        for child in map(str.lower, children):
            if child not in bones or child in ordered:
                raise InputError(f"{where}, line {number}: '{shown(child)}' is no bone of the file, or has two parents")
            bones[child].parent = parent
            ordered[child] = bones[child]
    loose = next((name for name in bones if name not in ordered), None)
    if loose is not None:
        raise InputError(f"{where}: bone '{shown(loose)}' is missing from :hierarchy; is the file whole?")
    return ordered


def _turn(angles: FloatArray, order: Any, degrees: bool) -> FloatArray:
    """Rotations (F, 3, 3) by angles (F, n) about the axes of `order`, the first one applied first."""
    angles = np.radians(angles) if degrees else angles
    turned = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for k, channel in enumerate(order):
        axis = _AXES.index(channel)
        one = np.zeros((len(angles), 3, 3))
        first, second = (axis + 1) % 3, (axis + 2) % 3
        cosine, sine = np.cos(angles[:, k]), np.sin(angles[:, k])
        one[:, axis, axis] = 1.0
        one[:, first, first] = one[:, second, second] = cosine
        one[:, first, second], one[:, second, first] = -sine, sine
        turned = one @ turned
    return turned


def _check_frame(frames: list[dict[str, list[float]]], starts: list[int], wanted: dict[str, int], where: str) -> None:
    if frames and len(frames[-1]) != len(wanted):
        missing = next(bone for bone in wanted if bone not in frames[-1])
        raise InputError(f"{where}, line {starts[-1]}: the frame that starts here lacks {missing}; is the file cut off?")


def _numbers(where: str, line: int, words: list[str], count: int, what: str = "") -> FloatArray:
    if len(words) != count:
        raise InputError(f"{where}, line {line}: {what and what + ' has '}{len(words)} values, expected {count}")
    return np.array([_number(where, line, [word]) for word in words])


def _number(where: str, line: int, words: list[str]) -> float:
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        raise InputError(f"{where}, line {line}: '{shown(' '.join(words[:1]))}' stands where a number belongs") from None
    if not math.isfinite(value) or abs(value) > 1e6:
        raise InputError(f"{where}, line {line}: {shown(words[0])} is no finite number below a million")
    return value
