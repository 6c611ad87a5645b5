"""Which joint of SMPL another skeleton's joint is, by its name.

Two habits exist. Kinect, MediaPipe, SMPL and Biovision's first BVH files name joints: `left_elbow`, `WristRight`. Riggers name
the bone that starts at a joint, so `LeftShoulder` is SMPL's collar, `LeftArm` its shoulder, `LeftForeArm` its elbow, `LeftHand`
its wrist and `LeftFoot` its ankle (Mixamo, CMU, MotionBuilder, Blender, 3ds Max Biped, Unreal, Daz). A skeleton that has an
elbow follows the first habit. Names from the documentation of those products; joints without a place in SMPL (fingers,
Kinect's spine, eyes) are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from m3n.body.joint_fit import FITTED
from m3n.errors import InputError, nearest, shown

FloatArray = NDArray[np.float64]

# SMPL joint -> names, best first; a tuple is a joint half-way between several.
_Names = dict[str, list[tuple[str, ...]]]
_JOINTS_MIDDLE: _Names = {
    "pelvis": [("pelvis",), ("hipcenter",), ("spinebase",), ("hips",), ("midhip",), ("chip",), ("root",)],
    "spine1": [("spine1",)],
    "spine2": [("spine2",)],
    "spine3": [("spine3",)],
    "neck": [("neck",), ("shouldercenter",), ("spineshoulder",), ("thorax",)],
    "head": [("head",), ("left ear", "right ear")],
}
_JOINTS_SIDE: _Names = {
    "collar": [("collar",), ("clavicle",)],
    "shoulder": [("shoulder",)],
    "elbow": [("elbow",)],
    "wrist": [("wrist",)],
    "hand": [("hand",), ("index", "pinky"), ("indexfinger", "pinkyfinger")],
    "index1": [("index",), ("indexfinger",), ("index1",)],
    "pinky1": [("pinky",), ("pinkyfinger",), ("pinky1",)],
    "hip": [("hip",)],
    "knee": [("knee",)],
    "ankle": [("ankle",)],
    "foot": [("foot",), ("footindex",), ("toe",), ("bigtoe",)],
}
_BONES_MIDDLE: _Names = {
    "pelvis": [("hips",), ("pelvis",), ("hip",), ("root",)],
    "neck": [("neck",), ("neck1",), ("neck01",), ("necktwist01",)],
    "head": [("head",)],
}
_BONES_SIDE: _Names = {
    "collar": [("shoulder",), ("clavicle",), ("collar",)],
    "shoulder": [("arm",), ("upperarm",), ("uparm",), ("shldr",)],
    "elbow": [("forearm",), ("lowerarm",), ("lowarm",)],
    "wrist": [("hand",)],
    "hand": [("handmiddle1",), ("fingerbase",), ("middle01",), ("mid1",)],
    "hip": [("upleg",), ("upperleg",), ("thigh",)],
    "knee": [("leg",), ("lowerleg",), ("lowleg",), ("shin",), ("calf",)],
    "ankle": [("foot",)],
    "foot": [("toebase",), ("toe",), ("toes",), ("toe0",), ("ball",)],
}
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_NEARLY_ALL = 0.8  # of the names of a skeleton begin with its character's or tool's name
_PACKAGING = {"mixamorig", "bip", "bip01", "bip001", "biped", "character", "character1", "joint", "jnt", "def", "j"}


def smpl_joints(
    joints: FloatArray, names: Sequence[str], where: str, joint_map: Mapping[str, str] | None = None
) -> tuple[FloatArray, list[str]]:
    """Joints (F, J, 3) of any skeleton -> those that the body fit knows (F, K, 3), and their SMPL names (K,).

    `joint_map`: SMPL joint -> one of `names`, where a user says which it is. Raises InputError for repeated names, for a map that
    names no joint, and where hardly any name is known.
    """
    plain = _plain_names(names)
    if len(plain) != joints.shape[1]:
        raise InputError(f"{where}: {len(plain)} joint names for {joints.shape[1]} joints")
    place: dict[str, int] = {}
    for k, name in enumerate(plain):
        place.setdefault(name, k)
    found: dict[str, FloatArray] = {}
    for target, choices in _table(place).items():
        for group in choices:
            if all(name in place for name in group):
                points = joints[:, [place[name] for name in group]]
                twice = next(
                    (name for name in group if plain.count(name) > 1 and list(names).count(names[place[name]]) > 1), None
                )
                if twice is not None:
                    raise InputError(f"{where}: joint_names holds '{names[place[twice]]}' twice; which of the two is it?")
                seen = np.isfinite(points).all((1, 2)) & (points != 0).any(2).all(1)
                found[target] = np.where(seen[:, None], points.mean(1), np.nan)
                break
    for target, k in _mapped(joint_map or {}, names, where).items():
        found[target] = joints[:, k]
    if len(found) < 6:
        raise InputError(
            f"{where}: of the {len(names)} joint names only {len(found)} are known ({', '.join(found) or 'none'}); "
            "expected names of SMPL, Kinect, MediaPipe or a common BVH skeleton, such as left_elbow or LeftForeArm; "
            f"got {', '.join(list(names)[:8])}"
        )
    kept = [name for name in FITTED if name in found]
    return np.stack([found[name] for name in kept], axis=1), kept


def _mapped(joint_map: Mapping[str, str], names: Sequence[str], where: str) -> dict[str, int]:
    """SMPL joint -> index into `names`."""
    made = {}
    for target, name in joint_map.items():
        if target not in FITTED:
            raise InputError(
                f"joint_map.{shown(target)}: no joint of SMPL{nearest(target, FITTED)}; expected {', '.join(FITTED)}"
            )
        if list(names).count(name) != 1:
            listed = ", ".join(map(shown, names[:40]))
            raise InputError(
                f"{where}: joint_map.{target}={shown(name)}: no such joint, or two of them{nearest(name, names)}; there are "
                f"{listed}"
            )
        made[target] = list(names).index(name)
    return made


def bones_of(names: Sequence[str], joint_map: Mapping[str, str] | None = None) -> dict[str, int]:
    """SMPL joint name -> index into `names`, for joints that are a single one of them."""
    place: dict[str, int] = {}
    for k, name in enumerate(_plain_names(names)):
        place.setdefault(name, k)
    found = {}
    for target, choices in _table(place).items():
        chosen = next((group[0] for group in choices if len(group) == 1 and group[0] in place), None)
        if chosen is not None:
            found[target] = place[chosen]
    return found | _mapped(joint_map or {}, names, "the skeleton")


def _table(place: dict[str, int]) -> _Names:
    names_joints = any(f"{side} elbow" in place for side in ("left", "right"))
    middle, sides = (_JOINTS_MIDDLE, _JOINTS_SIDE) if names_joints else (_BONES_MIDDLE, _BONES_SIDE)
    table = dict(middle)
    for part, choices in sides.items():
        for side in ("left", "right"):
            table[f"{side}_{part}"] = [tuple(f"{side} {name}" for name in group) for group in choices]
    return table


def _plain_names(names: Sequence[str]) -> list[str]:
    """Names without what (nearly) all of them begin with: the name of a character or of its tool, as in CC_Base_L_Forearm."""
    starts = Counter(
        str(name)[: match.end()] for name in names for match in re.finditer(r"[A-Za-z0-9][_:|.\- ]+(?=[A-Za-z0-9])", str(name))
    )
    shared = [
        start
        for start, count in starts.items()
        if count >= max(6, _NEARLY_ALL * len(names)) and not _SIDES.keys() & set(re.split(r"[^a-z0-9]+", start.lower()))
    ]
    prefix = max(shared, key=len, default="")
    return [_plain(str(name).removeprefix(prefix)) for name in names]


def _plain(name: str) -> str:
    """'mixamorig:LeftForeArm', 'forearm.L', 'Bip01 L Forearm' -> 'left forearm'."""
    last = re.split(r"[:|]", str(name).strip())[-1]
    words = re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", last) or [last]
    words = [word.lower() for word in words]
    if len(words) > 1:
        words = [word for word in words if word not in _PACKAGING] or words
    side = ""
    for k in (0, len(words) - 1):
        if words[k] in _SIDES and len(words) > 1:
            side = _SIDES[words.pop(k)]
            break
    part = "".join(words)
    if not side:
        for start, which in (("left", "left"), ("right", "right")):
            if part.startswith(start) and part != start:
                side, part = which, part.removeprefix(start)
            elif part.endswith(start) and part != start:
                side, part = which, part.removesuffix(start)
    return f"{side} {part}" if side else part
