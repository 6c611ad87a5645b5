"""Who is where in a stretch of video: the same people followed from frame to frame.

The landmark network needs the region in which a person is. The detector gives it once; then it comes from the person's own
landmarks in the frame before, smoothed by a One Euro filter (Casiez et al., CHI 2012), the kind that MediaPipe uses: the region
stands still with the person and follows at once when the person moves. The filter's settings have not been compared with
MediaPipe's. From time to time the detector looks
again, for people who are not followed yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m3n.video.decoding import Frame
from m3n.video.networks import LANDMARKS, FloatArray, PoseNetworks, Region, Seen

MOST_PEOPLE = 4  # followed at once
_LOOK_S = 0.5  # between two looks of the detector for more people
_LOST_S = 1.0  # for which somebody may be out of sight and still be the same person
_NEAR = 0.5  # regions whose centres are nearer than this share of their side show the same person
_MIN_CUTOFF_HZ, _BETA, _SPEED_CUTOFF_HZ = 0.01, 10.0, 1.0  # of the points that place the region


@dataclass(frozen=True)
class Track:
    """One person: frame numbers (F,) within the stretch, increasing, and what was seen in them: `pixels` (F, 33, 2), `metres`
    (F, 33, 3), `visibility` (F, 33), `sides` (F,) of the regions in pixels."""

    frames: NDArray[np.int64]
    pixels: NDArray[np.float32]
    metres: NDArray[np.float32]
    visibility: NDArray[np.float32]
    sides: NDArray[np.float32]


@dataclass(frozen=True)
class Stretch:
    """What was seen in one stretch of a video: `times_s` (F,) from the start of the video, the image's size (width, height) in
    pixels, and the people."""

    times_s: FloatArray
    size: tuple[int, int]
    tracks: tuple[Track, ...]


def follow(frames: Iterable[Frame], networks: PoseNetworks) -> Stretch:
    """Follow everybody through the frames of one stretch."""
    times: list[float] = []
    people: list[_Person] = []
    size, looked = (0, 0), -np.inf
    for number, frame in enumerate(frames):
        times.append(frame.time_s)
        size = frame.image.shape[1], frame.image.shape[0]
        for person in people:
            if person.region is not None:
                person.see(number, frame.time_s, networks.landmarks(frame.image, person.region))
        _part(people)
        followed = [person for person in people if person.region is not None]
        if len(followed) < MOST_PEOPLE and (not followed or frame.time_s >= looked + _LOOK_S):
            looked = frame.time_s
            for region in networks.people(frame.image):
                if any(_near(region, person.region) for person in people if person.region is not None):
                    continue
                seen = networks.landmarks(frame.image, region)
                if seen is None or sum(person.region is not None for person in people) >= MOST_PEOPLE:
                    continue
                known = next((person for person in people if person.may_be(region, frame.time_s)), None)
                if known is None:
                    known = _Person()
                    people.append(known)
                known.see(number, frame.time_s, seen, region)
    tracks = tuple(person.track() for person in people if len(person.numbers) > 1)
    return Stretch(np.array(times), size, tracks)


def _part(people: list[_Person]) -> None:
    """Where two regions have come to show one person, the one followed for longer keeps it."""
    followed = sorted((p for p in people if p.region is not None), key=lambda p: -len(p.numbers))
    for k, later in enumerate(followed):
        if any(_near(later.region, first.region, 0.25) for first in followed[:k] if first.region and later.region):
            later.end()


def _near(one: Region | None, other: Region | None, share: float = _NEAR) -> bool:
    if one is None or other is None:
        return False
    return bool(np.hypot(one.x - other.x, one.y - other.y) < share * min(one.side, other.side))


@dataclass
class _Person:
    region: Region | None = None
    last: Region | None = None
    last_s: float = -np.inf
    ended: bool = False
    numbers: list[int] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    filter: _OneEuro | None = None

    def see(self, number: int, time_s: float, seen: Seen | None, region: Region | None = None) -> None:
        region = region or self.region
        if seen is None or region is None:
            self.region = self.filter = None
            return
        self.numbers.append(number)
        self.seen.append(seen)
        self.sides.append(region.side)
        self.filter = self.filter or _OneEuro()
        guides = self.filter(time_s, seen.guides, 1 / max(2 * float(np.hypot(*(seen.guides[1] - seen.guides[0]))), 1e-6))
        self.region = self.last = Region.around(*guides)
        self.last_s = time_s

    def end(self) -> None:
        self.region, self.ended = None, True

    def may_be(self, region: Region, time_s: float) -> bool:
        lost = self.region is None and not self.ended and time_s - self.last_s <= _LOST_S
        return lost and _near(region, self.last)

    def track(self) -> Track:
        return Track(
            np.array(self.numbers),
            np.array([s.pixels for s in self.seen], np.float32).reshape(-1, LANDMARKS, 2),
            np.array([s.metres for s in self.seen], np.float32).reshape(-1, LANDMARKS, 3),
            np.array([s.visibility for s in self.seen], np.float32).reshape(-1, LANDMARKS),
            np.array(self.sides, np.float32),
        )


class _OneEuro:
    """Low pass whose cutoff rises with speed; `scale` makes the speed one of body sizes, not of pixels, per second."""

    def __init__(self) -> None:
        self.time_s = -np.inf
        self.raw: FloatArray | None = None
        self.smooth: FloatArray | None = None
        self.speed: FloatArray | None = None

    def __call__(self, time_s: float, value: FloatArray, scale: float) -> FloatArray:
        if self.raw is None or self.smooth is None or self.speed is None or time_s <= self.time_s:
            self.smooth, self.speed = value, np.zeros_like(value)
        else:
            step = time_s - self.time_s
            speed = (value - self.raw) * scale / step
            self.speed = self.speed + _share(_SPEED_CUTOFF_HZ, step) * (speed - self.speed)
            cutoff = _MIN_CUTOFF_HZ + _BETA * np.abs(self.speed)
            self.smooth = self.smooth + _share(cutoff, step) * (value - self.smooth)
        self.raw, self.time_s = value, time_s
        return self.smooth


def _share(cutoff_hz: FloatArray | float, step_s: float) -> FloatArray | float:
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * step_s))
