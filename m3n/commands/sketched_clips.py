"""Clips of a study's own labels, for `m3n finetune --sketches`: match, author, simulate, and keep the table for the next run.

Every label's clips are authored from the sketches that it was matched to, and sequences are added where all their parts are
matched. Clips and their segments carry the study's labels; time that shows something else is unlabelled. The table is kept in
`OUT.sketches`, and is made again only if something that decides it has changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from m3n import __version__, schema
from m3n.commands.ingest import write_poses
from m3n.commands.simulate.command import simulate_clips
from m3n.config import FinetuneConfig, SimulateConfig
from m3n.data import text
from m3n.data.windows import RecordingWindows
from m3n.errors import InputError, NoTextModelError
from m3n.io import tables
from m3n.motion.matching import Match, Names, match_labels, table
from m3n.motion.sketch import Sketch
from m3n.motion.sketch_file import read_sketches, shipped_sketches
from m3n.schema import Rejected
from m3n.sources.poses import sketched as source
from m3n.sources.shared.ingest_notes import Notes
from m3n.untrusted.yaml_mapping import read_mapping

log = logging.getLogger(__name__)
AUTO = "auto"  # the sketches that come with m3n, and no others
PLAN = "sketches.json"
STUB = "missing_sketches.yaml"
_SEQUENCES = 0.25  # clips of sequences for each clip of a label, together
_UNLABELLED = ""

_STUB = """\
- label: {label}
  sentences:
    - A person does the activity "{label}" with the {{side}} hand.
  posture: standing            # or sitting, walking …: docs/sketches.md
  tempo_s: [1, 4]              # seconds of a repetition
  phases:
    - {{hand: side}}             # where the hand goes: side, lap, table, front, mouth, overhead …
    - {{hand: front, palm: [down, in]}}
"""


def sketched_clips(sketches: str, windows: RecordingWindows, config: FinetuneConfig, out: Path) -> Path:
    """The table of synthetic clips for the labels, placements and rate of `windows`, below `OUT.sketches`.

    `sketches`: "auto", or a YAML file or folder of the user's own sketches, which come before those of m3n. Logs the match as a
    table, and writes a stub for what nothing matches. Raises InputError if no label is matched, and for placements that are not
    m3n's own.
    """
    own = {} if sketches == AUTO else read_sketches(Path(sketches))
    known = {**shipped_sketches(), **own}
    labels = [windows.classes[i] for i in sorted(set(windows.label.tolist()))]
    matches = match_study(labels, known, config.match)
    folder = out.with_name(f"{out.name}.sketches")
    folder.mkdir(parents=True, exist_ok=True)
    log.warning("%d labels and the sketches that show them:\n%s", len(matches), table(matches))
    missing = [match.label for match in matches if match.how == "none"]
    (folder / STUB).unlink(missing_ok=True)
    if missing:
        tables.write_text(folder / STUB, "".join(_STUB.format(label=json.dumps(label)) for label in missing))
        log.warning(
            "no sketch for %s: fill in %s and give --sketches, or name one in match=labels.yaml",
            ", ".join(missing),
            folder / STUB,
        )
    if not any(match.sketches for match in matches):
        raise InputError(
            f"no label of the recordings is matched to a sketch: fill in {folder / STUB} and give it as --sketches"
        )
    unknown = set(windows.placements) - set(schema.PLACEMENTS)
    if unknown:
        raise InputError(
            f"clips of sketches are simulated for m3n's own placements, not for '{min(unknown)}': give --clips instead"
        )
    simulation = SimulateConfig(placements=[*windows.placements], rate_hz=float(windows.rate_n.max()), seed=config.seed)
    options = source.Options(clips=config.sketch_clips, seed=config.seed)
    plan = _plan(matches, known, options, simulation)
    if _finished(folder) != plan:
        (folder / PLAN).unlink(missing_ok=True)
        _write_authored(folder / "poses", matches, known, options)
        simulate_clips(folder / "poses", folder / "synthetic", simulation)
        tables.write_text(folder / PLAN, json.dumps({"matches": [asdict(match) for match in matches], **plan}, indent=1) + "\n")
    return folder / "synthetic"


def sketched_poses(labels: Sequence[str], folder: Path, clips: int, seed: int) -> Path:
    """A table of pose clips in `folder` of the shipped sketches that match the labels; InputError if none does."""
    known = shipped_sketches()
    matches = match_study(labels, known, None)
    if not any(match.sketches for match in matches):
        raise InputError(f"no sketch shows any of {', '.join(labels)}: set sketch_clips=0")
    options = source.Options(clips=clips, seed=seed)
    _write_authored(folder, matches, known, options)
    return folder


def _write_authored(folder: Path, matches: Sequence[Match], known: Mapping[str, Sketch], options: source.Options) -> None:
    """Author the clips of the matched sketches into a table, and log in how many of them what was corrected."""
    notes = Notes()
    write_poses(folder, _authored(matches, known, options, notes), options, notes)
    for what, clips in notes.figures().items():
        log.warning("%s: %s of %d", what, clips, options.clips)


def match_study(labels: Sequence[str], known: Mapping[str, Sketch], given: Path | None) -> list[Match]:
    """The sketches of every label; `given`: a YAML file, label -> sketch, several of them, or null.

    Where the text model is not installed, labels are matched by name only, and the log says so.
    """
    read = read_mapping(given, "`label: sketch` for each label", f"match={given}") if given else {}
    chosen = {str(label): value for label, value in read.items()}
    names = [Names(sketch.label, sketch.also, sketch.sentences) for sketch in known.values()]
    try:
        return match_labels(labels, names, chosen, text.embed)
    except NoTextModelError as error:
        log.warning("labels are matched by name only: %s", error)
        return match_labels(labels, names, chosen)


def _plan(
    matches: Sequence[Match], known: Mapping[str, Sketch], options: source.Options, simulation: SimulateConfig
) -> dict[str, Any]:
    """All that decides the table."""
    sketches = hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()
    return {
        "authored": {
            "m3n": __version__,
            "sketches_sha256": sketches,
            "labels": {match.label: [*match.sketches] for match in matches},
            **options.model_dump(mode="json"),
        },
        "simulated": simulation.model_dump(mode="json"),
    }


def _finished(folder: Path) -> dict[str, Any] | None:
    """The plan of the table that an earlier run has finished there."""
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    there = (folder / "synthetic" / tables.MANIFEST).is_file()
    return {key: plan.get(key) for key in ("authored", "simulated")} if there else None


def _authored(
    matches: Sequence[Match], known: Mapping[str, Sketch], options: source.Options, notes: Notes
) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of pose clips with the study's labels, as many of each label, and of sequences of matched parts."""
    shown: dict[str, set[str]] = {}
    for match in matches:
        for name in match.sketches:
            shown.setdefault(name, set()).add(match.label)
    alone = {
        name: labels.pop() for name, labels in shown.items() if len(labels) == 1
    }  # of two labels' sketch, nobody knows which
    told = {name: replace(sketch, label=alone.get(name, _UNLABELLED)) for name, sketch in known.items()}
    chosen = {
        f"{match.label}: {name}": replace(known[name], label=match.label, weight=1 / len(match.sketches))
        for match in matches
        for name in match.sketches
    }
    sequences = [
        name
        for name, s in known.items()
        if len({step.label for step in s.steps}) > 1 and all(t.label in alone for t in s.steps)
    ]
    labelled = sum(bool(match.sketches) for match in matches)
    chosen |= {
        name: replace(told[name], weight=_SEQUENCES * labelled / len(sequences)) for name in sequences if name not in shown
    }
    whole = {match.label for match in matches if any(known[name].steps for name in match.sketches)}
    for row in source.authored(chosen, told, options, notes):
        if isinstance(row, dict):
            parts = [] if row["label"] in whole else [p for p in row.get("segments") or () if p["label"] != _UNLABELLED]
            own = f"study-{row['clip_id']}"  # beside clips of `m3n ingest sketch`, which are numbered in the same way
            row = row | {"clip_id": own, "label": row["label"] or None, "segments": parts or None}
        yield row
