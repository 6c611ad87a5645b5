"""Where a sensor sits on the body and which way its axes point.

A sensor is fixed to one bone. A site (`m3n.config.Site`, which documents its settings) defines its position and axes in the rest
pose: T-pose; body frame with x to the body's left, y up, z forward. Users can add sites. m3n's own placements lie on the skin: x
along the bone, z out of the skin, y = z × x. At the wrist these are the axes of a watch: x along the forearm towards the hand, z
out of the back of the wrist. Left and right placements are mirror images in the sagittal plane.

| placement | bone | x axis | z axis |
| --- | --- | --- | --- |
| left_wrist, right_wrist | forearm, 3 cm above the wrist | towards the hand | out of the back of the wrist |
| head | head, at the forehead | up | forward |
| pelvis | pelvis, at the sacrum | up | backward |
| left_thigh, right_thigh | thigh, half-way down | towards the knee | forward |
| left_ankle, right_ankle | shank, 5 cm above the ankle | towards the foot | outward |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import fitted_betas, rest_joints
from m3n.body.model import SMPL_JOINTS, Body
from m3n.config import Site
from m3n.errors import InputError
from m3n.schema import check_own_placement, check_placements

UP = np.array([0.0, 1.0, 0.0])

SITES = {
    "left_wrist": Site(joint="left_elbow", end="left_wrist", from_end_m=0.03, towards=(0, 1, 0)),
    "right_wrist": Site(joint="right_elbow", end="right_wrist", from_end_m=0.03, towards=(0, 1, 0)),
    "head": Site(joint="head", above_m=0.10, towards=(0, 0, 1)),  # at the height of the forehead
    "pelvis": Site(joint="pelvis", towards=(0, 0, -1)),
    "left_thigh": Site(joint="left_hip", end="left_knee", towards=(0, 0, 1)),
    "right_thigh": Site(joint="right_hip", end="right_knee", towards=(0, 0, 1)),
    "left_ankle": Site(joint="left_knee", end="left_ankle", from_end_m=0.05, towards=(1, 0, 0)),
    "right_ankle": Site(joint="right_knee", end="right_ankle", from_end_m=0.05, towards=(-1, 0, 0)),
}


@dataclass(frozen=True)
class Mount:
    """A placement on one body shape."""

    joint: int
    offset: np.ndarray  # (3,) m, from the joint to the sensor, in the bone's rest frame
    rotation: np.ndarray  # (3, 3), columns: the sensor's axes in the bone's rest frame


def chosen_sites(
    placements: Sequence[str] | Mapping[str, Site], own: Mapping[str, Site] = MappingProxyType({})
) -> dict[str, Site]:
    """The site of every placement, in order; `placements` holds names of m3n's placements and of `own`, or maps names to sites.

    Raises InputError for an unknown or repeated name, and if a name of m3n's own is given another site.
    """
    if isinstance(placements, Mapping):
        own = {name: site for name, site in placements.items() if SITES.get(name) != site}
    for name in own:
        check_own_placement(name)
    check_placements(list(placements), own)
    return {name: own[name] if name in own else SITES[name] for name in placements}


def mount(body: Body, betas: np.ndarray, site: Site) -> Mount:
    """Place a sensor on a body of shape `betas` (any number of coefficients).

    Raises InputError for a vertex outside the body's mesh, and for a direction along the bone.
    """
    joints = rest_joints(body, betas)
    joint = SMPL_JOINTS.index(site.joint)
    turn = Rotation.from_rotvec(site.rotation_deg, degrees=True).as_matrix()
    if site.offset_m is not None:
        return Mount(joint, np.array(site.offset_m), turn)
    vertex = sensor_vertex(body, site)
    skin = body.v_template[vertex] + body.shapedirs[vertex] @ fitted_betas(body, betas)
    return Mount(joint, skin - joints[joint], _axes(site, joints) @ turn)


@cache
def sensor_vertex(body: Body, site: Site) -> int:
    """The skin vertex under the sensor: on the mean shape, the one nearest to the outward line from the bone."""
    if site.vertex is not None:
        if site.vertex >= len(body.v_template):
            whose = "m3n's stand-in body" if body.standin else f"the {body.gender} {body.name} body"
            raise InputError(f"vertex {site.vertex} of a site at {site.joint}: {whose} has {len(body.v_template)} vertices")
        return site.vertex
    joint = SMPL_JOINTS.index(site.joint)
    joints = rest_joints(body, np.zeros(0))
    axes = _axes(site, joints)
    if site.end is None:
        along = site.above_m or 0.0
    else:
        length = float(np.linalg.norm(joints[SMPL_JOINTS.index(site.end)] - joints[joint]))
        along = length - site.from_end_m if site.from_end_m is not None else length / 2
    foot = joints[joint] + along * axes[:, 0]
    local = (body.v_template - foot) @ axes
    sideways = np.hypot(local[:, 0], local[:, 1])
    usable = (local[:, 2] > 0) & (body.weights[:, joint] > 0.5)
    if not usable.any():
        raise InputError(
            f"no skin of the bone at {site.joint} lies towards {list(site.towards or ())}: choose another direction"
        )
    return int(np.argmin(np.where(usable, sideways, np.inf)))


def _axes(site: Site, joints: np.ndarray) -> np.ndarray:
    """(3, 3): the sensor's axes in the bone's rest frame before its mounting rotation, as columns."""
    if site.towards is None:
        return np.eye(3)
    x = UP if site.end is None else joints[SMPL_JOINTS.index(site.end)] - joints[SMPL_JOINTS.index(site.joint)]
    x = x / np.linalg.norm(x)
    out = np.array(site.towards)
    z = out - (out @ x) * x
    if np.linalg.norm(z) < 1e-3 * np.linalg.norm(out):
        raise InputError(
            f"towards {list(site.towards)} points along the bone from {site.joint} to {site.end}; expected a direction across it"
        )
    z = z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], axis=1)
