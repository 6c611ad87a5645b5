"""Bandai Namco Research Motion Dataset (Kobayashi et al., 2023): studio motion capture, 30 fps, centimetres, y up.

Three actors; BVH files of 22 joints with six channels each, named `dataset-N_{content}_{style}_{id}.bvh`; content and style
make the sentence, the content is the label. The files do not say which of the three actors moves, so the subject is null.
Forearm twist comes from the rig's hands (see `m3n.sources.poses.bvh`).
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses.bvh import fitted_rows, read_motion
from m3n.sources.shared.plausibility import PoseOptions
from m3n.untrusted.archives import zip_or_folder

SOURCE = "bandai_namco"
TEXTS = Path(__file__).resolve().parents[1] / "texts" / "bandai_namco.yaml"
_FILE = re.compile(r"(?:^|/)dataset-(\d+)_([a-z-]+)_([a-z-]+)_(\d+)\.bvh$")
_LARGEST = 256 << 20  # bytes of one BVH text; the real ones have under 2 MB


class Options(PoseOptions):
    """Settings of `m3n ingest bandai_namco`."""

    contents: list[str] | None = Field(default=None, description="contents to take, such as walk or wave-left-hand; null: all")
    forearm_twist: Literal["hand", "neutral"] = Field(
        default="hand", description="'hand': forearms turn with the rig's hands; 'neutral': half-way between palm up and down"
    )

    def vertical(self) -> str:
        """The files' axis that points up."""
        return "y"


def pose_clips(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, one per BVH file of the chosen contents, by name; damaged files are Rejected.

    `path` is the zip or a folder it was unpacked into. Raises InputError where it holds no file of the dataset, or none of
    the contents asked for.
    """
    with zip_or_folder(Path(path), ".bvh", _LARGEST, "the Bandai Namco zip") as (names, read):
        chosen = {name: match for name in names if (match := _FILE.search(name))}
        if not chosen:
            raise InputError(f"{path}: no Bandai Namco files in it; expected names like dataset-1_walk_normal_001.bvh")
        contents = {match[2] for match in chosen.values()}
        unknown = sorted(set(options.contents or ()) - contents)
        if unknown:
            raise InputError(f"{path}: no content '{unknown[0]}' in it; it has {', '.join(sorted(contents))}")
        for name, match in sorted(chosen.items(), key=lambda item: item[0].rsplit("/", 1)[-1]):
            if options.contents is not None and match[2] not in options.contents:
                continue
            stem = name.rsplit("/", 1)[-1].removesuffix(".bvh")
            clip_id = f"{SOURCE}-{stem}"
            try:
                motion = read_motion(read(name).decode("utf-8", "replace"), f"{stem}.bvh")
                yield from fitted_rows(
                    motion, f"{stem}.bvh", clip_id, options, source=SOURCE, scale_m=0.01, declared="", smooth_frames=0.0,
                    subject=None, forearm_twist=options.forearm_twist == "hand", text=sentence(clip_id, match[2], match[3]),
                    label=match[2].replace("-", " "),
                )  # fmt: skip
            except InputError as error:
                yield Rejected(clip_id, str(error))


def sentence(clip_id: str, content: str, style: str) -> str:
    """What a clip shows: one of its content's sentences, chosen by the id, with the style's manner in it."""
    table = _texts()
    texts = table["contents"].get(content) or [f"{{who}} does '{content.replace('-', ' ')}'{{how}}."]
    manner = table["styles"].get(style, {"who": [f"{style.replace('-', ' ')} person"], "how": [""]})
    pick = hashlib.sha256(clip_id.encode()).digest()
    who, how = manner["who"][pick[1] % len(manner["who"])], manner["how"][pick[2] % len(manner["how"])]
    article = "An" if who[0] in "aeiou" else "A"
    text: str = texts[pick[0] % len(texts)].format(who=f"{article} {who}", how=f" {how}" if how else "")
    return text


@functools.cache
def _texts() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return loaded
