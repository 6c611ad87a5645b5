"""`m3n evaluate`: score a pretrained Multi3Net on subjects it was not trained on, without fine-tuning.

On synthetic clips: retrieval between text, pose and IMU, and the error of the predicted IMU signals. On real recordings: how well
the frozen features predict labels, by nearest neighbours, by a linear probe, and zero-shot from sentences.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from m3n import tracking
from m3n.commands.evaluate import data
from m3n.commands.evaluate.text import evaluation_text
from m3n.config import EvaluateConfig
from m3n.data import text
from m3n.data.windows import ClipWindows, numbered
from m3n.errors import InputError, nearest
from m3n.evaluation import figures as scoring
from m3n.evaluation.embed import ClipEmbeddings, embed_clips, embed_recordings, embed_sentences, load_multi3net
from m3n.evaluation.probes import zero_shot
from m3n.io import tables
from m3n.io.staging import staged
from m3n.io.storage import Location
from m3n.models import Multi3Net
from m3n.progress import bar
from m3n.randomness import generator
from m3n.reports import classification_plots, embedding_plots
from m3n.training.checkpoint import Checkpoint, named

METRICS, REPORT = "evaluate.json", "evaluate.md"
PICTURED_CLIPS = 400
OnShare = Callable[[float], None]


def evaluate(
    checkpoint: Location,
    out: Path,
    config: EvaluateConfig = EvaluateConfig(),
    clips: Path | None = None,
    recordings: Path | None = None,
    parent_run: str | None = None,
) -> dict[str, Any]:
    """Evaluate a checkpoint on a table of synthetic clips, one of recordings, or both; returns the figures.

    `checkpoint`: a folder made by `m3n pretrain`, or the name of weights that come with m3n. Leaves in `out`
    evaluate.json, evaluate.md and plots. Raises InputError for unsuitable tables, subjects or settings; then nothing is left there.
    """
    started = time.perf_counter()
    folders = {name: folder for name, folder in (("clips", clips), ("recordings", recordings)) if folder is not None}
    if not folders:
        raise InputError("nothing to evaluate on: give --clips, --recordings or both")
    if config.picture == "umap":
        embedding_plots.require_umap()
    checkpoint = named(checkpoint)
    model, pretrained = load_multi3net(checkpoint, whole=clips is not None)
    placements = _placements(config, pretrained)
    shape = pretrained.windows.model_copy(update={"hop_s": config.hop_s} if config.hop_s else {})
    people = (data.clip_people(clips) if clips else set()) | (data.recording_people(recordings) if recordings else set())
    data.check_subjects(config, people)
    with staged(out, inputs=[checkpoint, *folders.values()]) as staging:
        synthetic = data.load_clips(clips, shape, pretrained, config) if clips else None
        real = data.load_recordings(recordings, shape, pretrained, config) if recordings else None
        digests = {name: tables.data_sha256(folder) for name, folder in folders.items()}
        digest = ",".join(digests.values())
        with (
            tracking.track("evaluate", out.name, config, out=out, data_sha=digest, parent_id=parent_run) as run,
            bar("evaluate", 2 * len(folders)) as advance,
        ):
            figures: dict[str, Any] = {"checkpoint": checkpoint.name}
            if synthetic:
                figures |= _on_clips(model, pretrained, synthetic, placements, config, staging, lambda s: advance(s, "clips"))
            if real:
                figures |= _on_recordings(model, pretrained, real, config, staging, lambda s: advance(s, "recordings"))
            figures = _finite({**figures, "elapsed_s": time.perf_counter() - started})
            tables.write_text(staging / METRICS, json.dumps(figures, indent=2) + "\n")
            tables.write_text(staging / REPORT, evaluation_text(figures, config))
            tables.write_manifest(
                staging,
                table="evaluation",
                totals={name: value for name, value in figures.items() if name.endswith("_windows")},
                inputs={"checkpoint": tables.file_sha256(checkpoint), **digests, **_sentence_file(config)},
                config=config.model_dump(mode="json"),
            )
            run.metrics(_metrics(figures))
            for artifact in sorted(staging.iterdir()):
                run.artifact(artifact)
    return figures


def _sentence_file(config: EvaluateConfig) -> dict[str, str]:
    given = None if config.sentences is None or config.sentences == "none" else Path(config.sentences)
    return {"sentences": tables.file_sha256(given)} if given and given.is_file() else {}


def _placements(config: EvaluateConfig, pretrained: Checkpoint) -> list[str]:
    for placement in config.placements or ():
        if placement not in pretrained.placements:
            known = pretrained.placements
            raise InputError(
                f"the checkpoint was trained with the placements {', '.join(known)}, not '{placement}'{nearest(placement, known)}"
            )
    return list(config.placements or pretrained.placements)


def _on_clips(
    model: Multi3Net,
    pretrained: Checkpoint,
    windows: ClipWindows,
    placements: list[str],
    config: EvaluateConfig,
    staging: Path,
    on_share: OnShare,
) -> dict[str, Any]:
    sentences = numbered(windows.texts)[0]
    text_se = embed_sentences(model, text.embed(sentences or [""], str(pretrained.text_model)))
    worn = [p in placements for p in pretrained.placements]
    embedded = embed_clips(model, pretrained, windows, worn, config.batch_size, on_share)
    agreement = scoring.agreement(windows, text_se, embedded, config.max_windows, config.seed)
    embedding_plots.retrieval_plot(staging / "retrieval.png", agreement["retrieval"], "Held-out clips: recall at 1, 5 and 10")
    if config.picture != "none":
        _picture(staging / "embeddings.png", windows, text_se, embedded, config)
    on_share(1.0)
    return {
        "clip_windows": len(windows.clip),
        "clips": len(windows.clip_ids),
        "clip_subjects": sorted(set(windows.subjects)),
        "clip_placements": placements,
        **agreement,
        **scoring.signal_figures(windows, embedded, placements),
    }


def _picture(path: Path, windows: ClipWindows, text_se: np.ndarray, embedded: ClipEmbeddings, config: EvaluateConfig) -> None:
    """One point per activity of a clip and modality: the mean of its windows; at most PICTURED_CLIPS clips."""
    activity_n2 = np.stack([numbered(windows.texts)[1], numbered(windows.labels)[1]], axis=1)
    clips = generator(config.seed, "evaluate", "picture").permutation(len(windows.clip_ids))[:PICTURED_CLIPS]
    vectors: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    labels: defaultdict[str, list[str | None]] = defaultdict(list)
    for clip in np.sort(clips):
        of_clip = np.flatnonzero(windows.clip == clip)
        for sentence, label in np.unique(activity_n2[of_clip], axis=0):
            rows = of_clip[(activity_n2[of_clip] == (sentence, label)).all(1)]
            points = {"pose": embedded.pose_ne[rows].mean(0), "IMU": embedded.imu_ne[rows].mean(0)}
            for modality, point in (points | ({"text": text_se[sentence]} if sentence >= 0 else {})).items():
                vectors[modality].append(point)
                labels[modality].append(windows.labels[rows[0]] or None)
    flat = embedding_plots.in_two_dimensions(np.concatenate(list(vectors.values())), config.picture, config.seed)
    split = np.split(flat, np.cumsum([len(v) for v in vectors.values()])[:-1])
    title = f"Embeddings of {len(clips)} clips of held-out subjects ({'UMAP' if config.picture == 'umap' else 't-SNE'})"
    embedding_plots.embedding_plot(path, dict(zip(vectors, split, strict=True)), labels, title)


def _on_recordings(
    model: Multi3Net, pretrained: Checkpoint, real: data.Real, config: EvaluateConfig, staging: Path, on_share: OnShare
) -> dict[str, Any]:
    windows = real.windows
    tested = windows.subset(real.test)
    features, embeddings = embed_recordings(model, pretrained, windows, config.batch_size, on_share)
    figures: dict[str, Any] = {
        "recording_windows": len(tested.label),
        "recordings": len(np.unique(tested.recording)),
        "recording_subjects": sorted(set(tested.subject.tolist())),
        "recording_placements": list(windows.placements),
        "classes": len(windows.classes),
        "probes_trained_on": real.probes_by,
        **scoring.guessing(tested),
    }
    if real.sentences:
        sentences = embed_sentences(model, text.embed(real.sentences, str(pretrained.text_model)))
        scores = zero_shot(embeddings[real.test], sentences, real.class_of_sentence, len(windows.classes))
        figures |= scoring.scored(scores, tested, "zero_shot")
        figures["real_retrieval"] = scoring.sentence_retrieval(
            embeddings[real.test], tested.label, sentences, real.class_of_sentence
        )
        title = f"Zero-shot, no label seen: macro F1 {figures['zero_shot_macro_f1']:.3f} over {len(tested.label)} windows"
        classification_plots.confusion_plot(staging / "confusion.png", figures["zero_shot_confusion"], windows.classes, title)
    if real.parts:
        probes = scoring.probe_scores(features, windows, real.parts, config.neighbours, config.probe_c)
        for name, scores in probes.items():
            figures |= scoring.scored(scores[real.test], tested, name)
    on_share(1.0)
    return figures


def _finite(value: Any) -> Any:
    """The same figures with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _metrics(figures: dict[str, Any], prefix: str = "test") -> dict[str, float]:
    """Every number by its path, as in test/retrieval/text_to_imu/r1; figures per class stay in evaluate.json."""
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict) and not name.endswith("_per_class"):
            found |= _metrics(value, f"{prefix}/{name}")
        elif isinstance(value, float):
            found[f"{prefix}/{name}"] = value
    return found
