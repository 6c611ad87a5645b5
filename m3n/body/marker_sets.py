"""Sets of optical markers: what each label of a set lies on.

A set maps anatomical landmarks to its labels. The fit (`m3n.body.marker_fit`) reads landmarks alone, so that a set that names or
places its markers in another way takes one more entry here. In a label, `{s}` is L or R; a landmark of several markers is their
mean. `rigid` lists the markers of each rigid part, by which one that is hidden is found from the others. Forearms are none: their
markers lie nearly in a line, and a wrist marker found from the others was wrong by over 80 degrees of twist in a tenth of UI-PRMD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from m3n.body.model import FloatArray
from m3n.errors import InputError, shown

# A side's landmarks. Lateral and medial: the epicondyles and malleoli; radial: the thumb's side of the wrist. `upper_arm` and
# `thigh` are any marker that sits on the bone away from its axis.
Landmark = Literal[
    "head", "c7", "clavicle", "t10", "sternum", "shoulder", "acromion", "upper_arm", "elbow_lateral", "elbow_medial",
    "wrist_radial", "wrist_ulnar", "hand", "asis", "psis", "thigh", "knee_lateral", "knee_medial", "ankle_lateral",
    "ankle_medial", "toe",
]  # fmt: skip
LANDMARKS: tuple[str, ...] = get_args(Landmark)
REQUIRED: tuple[Landmark, ...] = ("elbow_lateral", "wrist_radial", "wrist_ulnar", "asis", "psis")


@dataclass(frozen=True)
class MarkerSet:
    """`landmarks`: landmark -> labels. `rigid`: labels of each part, at least four. `radius_m`: of the markers."""

    landmarks: dict[Landmark, tuple[str, ...]]
    rigid: tuple[tuple[str, ...], ...]
    radius_m: float = 0.007


MARKER_SETS: dict[str, MarkerSet] = {
    # Vicon's full-body Plug-in Gait (Vicon Motion Systems, Plug-in Gait Reference Guide): wrist bar A is on the thumb's side.
    "plug_in_gait": MarkerSet(
        {
            "head": ("LFHD", "RFHD", "LBHD", "RBHD"), "c7": ("C7",), "clavicle": ("CLAV",), "t10": ("T10",),
            "sternum": ("STRN",), "acromion": ("{s}SHO",), "upper_arm": ("{s}UPA",), "elbow_lateral": ("{s}ELB",),
            "wrist_radial": ("{s}WRA",), "wrist_ulnar": ("{s}WRB",), "hand": ("{s}FIN",), "asis": ("{s}ASI",),
            "psis": ("{s}PSI",), "thigh": ("{s}THI",), "knee_lateral": ("{s}KNE",), "ankle_lateral": ("{s}ANK",),
            "toe": ("{s}TOE",),
        },
        (
            ("LFHD", "RFHD", "LBHD", "RBHD"), ("C7", "T10", "CLAV", "STRN", "RBAK"), ("LASI", "RASI", "LPSI", "RPSI"),
        ),
    ),
    # The set of AMASS's recordings of soft tissue (Mahmood et al., ICCV 2019): pairs of markers on both sides of most joints.
    # Which of a pair is where was found from the data: I of wrist and elbow is on the thumb's side and at the outer epicondyle.
    "ssm": MarkerSet(
        {
            "head": ("LFHD", "RFHD", "LBHD", "RBHD"), "c7": ("TOPBACK",), "clavicle": ("CLAV",), "t10": ("MIDBACK",),
            "sternum": ("STRN",), "shoulder": ("{s}FSH", "{s}BSH"), "upper_arm": ("{s}UPA",), "elbow_lateral": ("{s}IEL",),
            "elbow_medial": ("{s}ELB",), "wrist_radial": ("{s}IWR",), "wrist_ulnar": ("{s}OWR",), "hand": ("{s}MBH",),
            "asis": ("{s}FWT",), "psis": ("{s}BWT",), "knee_lateral": ("{s}KNE",), "knee_medial": ("{s}KNI",),
            "ankle_lateral": ("{s}ANK",), "toe": ("{s}MT1", "{s}MT5"),
        },
        (("LFHD", "RFHD", "LBHD", "RBHD"), ("LFWT", "RFWT", "LBWT", "RBWT")),
    ),
    # The anatomical markers that OpenCap adds to its keypoints (Uhlrich et al., PLOS Comput. Biol. 19(10), 2023): lateral and
    # medial are those of the anatomical position, so lateral is the thumb's side of a wrist. They lie on the skin without a
    # marker's radius.
    "opencap": MarkerSet(
        {
            "c7": ("C7_STUDY",), "acromion": ("{s}_SHOULDER_STUDY",), "elbow_lateral": ("{s}_LELBOW_STUDY",),
            "elbow_medial": ("{s}_MELBOW_STUDY",), "wrist_radial": ("{s}_LWRIST_STUDY",), "wrist_ulnar": ("{s}_MWRIST_STUDY",),
            "asis": ("{s}.ASIS_STUDY",), "psis": ("{s}.PSIS_STUDY",), "knee_lateral": ("{s}_KNEE_STUDY",),
            "knee_medial": ("{s}_MKNEE_STUDY",), "ankle_lateral": ("{s}_ANKLE_STUDY",), "ankle_medial": ("{s}_MANKLE_STUDY",),
            "toe": ("{s}_TOE_STUDY",),
        },
        (("L.ASIS_STUDY", "R.ASIS_STUDY", "L.PSIS_STUDY", "R.PSIS_STUDY"),),
        radius_m=0.0,
    ),
}  # fmt: skip


def plain_labels(labels: Sequence[str]) -> dict[str, int]:
    """Label in capitals, without a subject's name before a colon -> its place."""
    return {label.rsplit(":", 1)[-1].strip().upper(): k for k, label in enumerate(labels)}


def landmarks_of(markers: FloatArray, labels: Sequence[str], known: MarkerSet) -> dict[str, FloatArray]:
    """Landmark, with `left_` or `right_` before those of a side -> (F, 3), of markers (F, M, 3); NaN where one was not seen.

    Raises InputError where a marker that the fit cannot do without is missing.
    """
    place = plain_labels(labels)
    found = {}
    for landmark, parts in known.landmarks.items():
        sided = "{s}" in parts[0]
        for side, letter in (("left_", "L"), ("right_", "R")) if sided else (("", ""),):
            wanted = [part.format(s=letter) for part in parts]
            if all(label in place for label in wanted):
                found[side + landmark] = np.mean([markers[:, place[label]] for label in wanted], axis=0)
            elif landmark in REQUIRED:
                missing = ", ".join(label for label in wanted if label not in place)
                raise InputError(f"marker {missing} is missing; got {', '.join(map(shown, list(labels)[:12]))}")
    return found
