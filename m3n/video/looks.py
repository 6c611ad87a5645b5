"""What was seen of a person in a stretch of video, to be looked at: small pictures, visibility and landmarks over time.

Kept beside the clips, so that `m3n report video` needs neither the videos nor the networks, and `m3n view` no networks.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.video.decoding import Frame
from m3n.video.landmarks import BODY, NAMES, OTHER_SIDE
from m3n.video.motion import Hidden, Motion, exchanged
from m3n.video.tracking import Stretch, Track

PICTURE_PX = 240  # longer side of a picture, which is the part of the image around the person
_HELD_PX = 3 * PICTURE_PX  # longer side of the images from which pictures are cut
_MARGIN = 0.15  # around the landmarks, as a share of their extent
VISIBILITY_HZ, TRACK_HZ = 5.0, 30.0
_LEAST_S, _OTHERWISE_S = 0.5, 5.0  # between two pictures; where the video does not say how long it is
_ARMS = {side: [NAMES.index(f"{side}_elbow"), NAMES.index(f"{side}_wrist")] for side in ("left", "right")}

Pictures = dict[int, tuple[NDArray[np.uint8], float]]  # frame number in a shot -> small image, and its scale


def pictured(frames: Iterable[Frame], every_s: float, kept: Pictures) -> Iterator[Frame]:
    """The frames, a small picture of some of which goes into `kept` on the way; `every_s`: 0 where it is not known."""
    due = -np.inf
    for number, frame in enumerate(frames):
        if frame.time_s >= due:
            due = frame.time_s + (max(every_s, _LEAST_S) if every_s else _OTHERWISE_S)
            step = max(1, round(max(frame.image.shape[:2]) / _HELD_PX))
            kept[number] = frame.image[step // 2 :: step, step // 2 :: step].copy(), 1 / step
        yield frame


def look(
    item: str, video: str, track: Track, stretch: Stretch, motion: Motion, hidden: Sequence[Hidden], kept: Pictures
) -> dict[str, Any]:
    """As JSON has it: `item` (the clip's id), `video`, `start_s` and `stop_s` of the video; `visibility` of each arm's elbow and
    wrist, the lower one, at `VISIBILITY_HZ`; `hidden` [[start s, stop s, reason], …]; `swapped_s`: times of frames whose left and
    right had been exchanged; `pictures`: `time_s`, `jpeg` (base64), `points` (33, 2) in its pixels, `visibility` (33,) and
    `swapped`; `track`: see `track_of`; `clips`: {id: start s of the video}, empty at first."""
    swapped = exchanged(track.pixels.astype(np.float64))
    row_of = {int(number): row for row, number in enumerate(track.frames)}
    pictures = []
    for number, (image, scale) in kept.items():
        if (row := row_of.get(number)) is not None:
            order = OTHER_SIDE if swapped[row] else slice(None)
            points = track.pixels[row][order] * scale
            image, points = _around(image, points)
            pictures.append(
                {
                    "time_s": round(float(stretch.times_s[number]), 3),
                    "jpeg": base64.b64encode(jpeg(image)).decode(),
                    "points": np.round(points, 1).tolist(),
                    "visibility": np.round(track.visibility[row][order].astype(float), 2).tolist(),
                    "swapped": bool(swapped[row]),
                }
            )
    step = max(1, round(motion.fps / VISIBILITY_HZ))

    def at(frame: int) -> float:
        return round(motion.start_s + frame / motion.fps, 2)

    return {
        "item": item,
        "video": video,
        "start_s": at(0),
        "stop_s": at(len(motion.joints)),
        "visibility": {s: np.round(motion.visibility[::step, arm].min(1), 2).tolist() for s, arm in _ARMS.items()},
        "hidden": [[at(out.start), at(out.stop), out.reason] for out in hidden],
        "swapped_s": [round(float(stretch.times_s[number]), 2) for number in track.frames[swapped]],
        "pictures": pictures,
        "track": _plain_track(track, stretch, swapped),
        "clips": {},
    }


def _plain_track(track: Track, stretch: Stretch, swapped: NDArray[np.bool_]) -> dict[str, str]:
    times = stretch.times_s[track.frames]
    slots = np.floor(times * TRACK_HZ + 0.01)
    kept = np.flatnonzero(np.diff(slots, prepend=-1) > 0)
    exchanged_too = swapped[kept][:, None]
    pixels = np.where(exchanged_too[..., None], track.pixels[kept][:, OTHER_SIDE], track.pixels[kept])[:, BODY]
    visibility = np.where(exchanged_too, track.visibility[kept][:, OTHER_SIDE], track.visibility[kept])[:, BODY]
    shares = np.clip((pixels / np.array(stretch.size) + 0.5) / 2, 0, 1)  # of the image and half of it on each side
    return {
        "times_s": _packed(times[kept], "<f4"),
        "points": _packed(np.rint(shares * 65535), "<u2"),
        "visibility": _packed(np.rint(np.clip(visibility, 0, 1) * 255), "u1"),
    }


def track_of(look: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Times (n,) s of the video, landmarks `BODY` (n, 22, 2) in shares of the image, and their visibility (n, 22), of a look.

    Raises KeyError or ValueError for a look without them, or with others.
    """
    times, points, visibility = (
        np.frombuffer(base64.b64decode(look["track"][name], validate=True), kind).astype(float)
        for name, kind in (("times_s", "<f4"), ("points", "<u2"), ("visibility", "u1"))
    )
    count = len(NAMES[BODY])
    return times, points.reshape(len(times), count, 2) / 65535 * 2 - 0.5, visibility.reshape(len(times), count) / 255


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _around(image: NDArray[np.uint8], points: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """The part of an image around landmarks, no larger than `PICTURE_PX`, and the landmarks in it."""
    low, high = points.min(0), points.max(0)
    margin = _MARGIN * (high - low).max()
    (left, top), (right, bottom) = (np.clip(edge, 0, image.shape[1::-1]).astype(int) for edge in (low - margin, high + margin))
    if right - left < 2 or bottom - top < 2:
        left, top, right, bottom = 0, 0, image.shape[1], image.shape[0]
    step = max(1, int(np.ceil(max(right - left, bottom - top) / PICTURE_PX)))
    return image[top:bottom:step, left:right:step], (points - [left, top]) / step


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """An image (height, width, 3) as a JPEG file."""
    from matplotlib.image import imsave

    made = io.BytesIO()
    imsave(made, image, format="jpg")
    return made.getvalue()


def image_of(picture: dict[str, Any]) -> NDArray[np.uint8]:
    """The image (height, width, 3) of one of a look's pictures."""
    from matplotlib.image import imread

    found: NDArray[np.uint8] = imread(io.BytesIO(base64.b64decode(picture["jpeg"], validate=True)), format="jpg")
    return found
