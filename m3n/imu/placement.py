"""Where a sensor sits on the body and which way its axes point.

A sensor is fixed to one bone, at a point of the skin. Its axes are set in the rest pose (T-pose; body frame: x to the body's
left, y up, z forward): x along `along`, z out of the skin towards `out`, y = z × x. For the wrist this is a watch: x along the
forearm towards the hand, z out of the back of the wrist. Left and right placements mirror each other in the sagittal plane.

| placement | bone | x axis | z axis |
| --- | --- | --- | --- |
| left_wrist, right_wrist | forearm, 3 cm above the wrist | towards the hand | out of the back of the wrist |
| head | head, at the forehead | up | forward |
| pelvis | pelvis, at the sacrum | up | backward |
| left_thigh, right_thigh | thigh, half-way down | towards the knee | forward |
| left_ankle, right_ankle | shank, 5 cm above the ankle | towards the foot | outward |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from m3n.body.kinematics import fitted_betas, rest_joints
from m3n.body.model import Body

LEFT, UP, FORWARD = np.eye(3)


@dataclass(frozen=True)
class Site:
    """A placement in the body's own terms: joints by SMPL index, directions in the rest frame."""

    joint: int  # the joint whose rotation carries the bone
    end: int | None  # joint at the far end of the bone; None: x points up
    from_end_m: float | None  # distance of the sensor from the far end; None: half-way along the bone
    out: np.ndarray  # (3,) direction out of the skin


SITES = {
    "left_wrist": Site(18, 20, 0.03, UP),
    "right_wrist": Site(19, 21, 0.03, UP),
    "head": Site(15, None, None, FORWARD),
    "pelvis": Site(0, None, None, -FORWARD),
    "left_thigh": Site(1, 4, None, FORWARD),
    "right_thigh": Site(2, 5, None, FORWARD),
    "left_ankle": Site(4, 7, 0.05, LEFT),
    "right_ankle": Site(5, 8, 0.05, -LEFT),
}


@dataclass(frozen=True)
class Mount:
    """A placement on one body shape."""

    joint: int
    offset: np.ndarray  # (3,) m, from the joint to the sensor, in the bone's rest frame
    rotation: np.ndarray  # (3, 3), columns: the sensor's axes in the bone's rest frame


def mount(body: Body, betas: np.ndarray, placement: str) -> Mount:
    """Place a sensor on a body of shape `betas` (any number of coefficients)."""
    site = SITES[placement]
    joints = rest_joints(body, betas)
    vertex = sensor_vertex(body, placement)
    skin = body.v_template[vertex] + body.shapedirs[vertex] @ fitted_betas(body, betas)
    return Mount(site.joint, skin - joints[site.joint], _axes(site, joints))


def sensor_vertex(body: Body, placement: str) -> int:
    """The skin vertex under the sensor: on the mean shape, the one nearest to the line that leaves the bone outwards."""
    return _vertex_of(_Identity(body), placement)


class _Identity:
    """Hashable handle: bodies hold arrays, and the search below is worth caching per body."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def __hash__(self) -> int:
        return id(self.body)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.body is self.body


@cache
def _vertex_of(handle: _Identity, placement: str) -> int:
    body, site = handle.body, SITES[placement]
    joints = rest_joints(body, np.zeros(0))
    axes = _axes(site, joints)
    if site.end is None:  # head: above the neck joint, at the height of the forehead; pelvis: at the joint's own height
        height = 0.10 if placement == "head" else 0.0
        foot = joints[site.joint] + height * UP
    else:
        length = np.linalg.norm(joints[site.end] - joints[site.joint])
        along = length - site.from_end_m if site.from_end_m is not None else length / 2
        foot = joints[site.joint] + along * axes[:, 0]
    local = (body.v_template - foot) @ axes
    sideways = np.hypot(local[:, 0], local[:, 1])
    usable = (local[:, 2] > 0) & (body.weights[:, site.joint] > 0.5)
    return int(np.argmin(np.where(usable, sideways, np.inf)))


def _axes(site: Site, joints: np.ndarray) -> np.ndarray:
    x = UP if site.end is None else joints[site.end] - joints[site.joint]
    x = x / np.linalg.norm(x)
    z = site.out - (site.out @ x) * x
    z = z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], axis=1)
