"""`m3n pretrain`: train a Multi3Net checkpoint on synthetic clips, and on real recordings beside them.

The tables are cut into windows once, in the staging folder beside the output. Training reads the windows from there and saves its
state there, so that rerunning the same command resumes an interrupted run. (If the output is on an object store, the state is there
too, and the windows are in the cache folder.)
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from m3n import tracking
from m3n.cluster.feed import cut_here, cut_shards
from m3n.cluster.pretrain import NO_SNAPSHOTS, Snapshots, keep_snapshot, needs_ray, run_here, run_workers
from m3n.cluster.start import connect
from m3n.config import PretrainConfig
from m3n.data import text
from m3n.data.corpora import Mixture, all_placements, open_corpora, shards_of
from m3n.data.window_store import WindowStore, write_index
from m3n.errors import INTERRUPTED, TERMINATED, StoppedError
from m3n.io import storage, tables
from m3n.io.staging import staged
from m3n.io.storage import Location, full_name
from m3n.progress import bar
from m3n.randomness import generator
from m3n.sources.shared.sentences import label_sentence, sentences
from m3n.training import checkpoint as checkpoints
from m3n.training import state
from m3n.training.batch_order import global_batch
from m3n.training.state import LAST, read_header

log = logging.getLogger(__name__)
WINDOWS = "windows"
RUN_ID = "mlflow-run"  # file with the id of the unfinished MLflow run, for the command that resumes it


def pretrain(
    data: Location | Sequence[Location],
    out: Location,
    config: PretrainConfig = PretrainConfig(),
    address: str | None = None,
    parent_run: str | None = None,
    snapshots: Snapshots = NO_SNAPSHOTS,
    on_epoch: Callable[[int], None] = lambda epoch: None,
    recordings: Sequence[Location] = (),
) -> dict[str, Any]:
    """Pretrain on tables of synthetic clips and of real recordings; the best checkpoint and the last state are left in `out`.

    `data`: a table of clips, or several (none, if there are recordings). `snapshots`: epoch -> folder for a copy of the best
    checkpoint up to then; `on_epoch(epoch)` is called after every epoch (once its copy exists), including those before an
    interruption. Returns the figures of the best epoch. Raises InputError for data or settings that cannot be trained with, and
    StoppedError if the run stopped early but can be resumed.
    """
    started = time.perf_counter()
    clips = list(data) if isinstance(data, Sequence) else [data]
    with staged(out, resume=True, inputs=[*clips, *recordings]) as staging:
        scratch = _scratch(staging)
        store = prepare(clips, scratch / WINDOWS, config, address, recordings)
        batch = global_batch(config.optim.batch_size, store.epoch_windows, config.workers)
        if batch < config.optim.batch_size // config.workers * config.workers:
            log.warning(
                "the windows of %s do not fill a batch of %d: contrastive losses need many dissimilar windows per batch; expect "
                "poor results",
                "one clip" if store.clips == 1 else f"{store.clips} clips", config.optim.batch_size,
            )  # fmt: skip
        fingerprint = _fingerprint(config, store.data_sha256, batch)
        description = {
            "fingerprint": fingerprint,
            "config": config.model_dump(mode="json"),
            "normaliser": vars(store.normaliser),
            "data_sha256": store.data_sha256,
        }
        history = _resumed(staging, fingerprint, out)
        noted = staging / RUN_ID
        run_id = storage.read(noted).decode() if history and noted.is_file() else None
        with (
            tracking.track(
                "pretrain",
                out.name,
                config,
                out=out,
                data=(clips or list(recordings))[0],
                data_sha=store.data_sha256,
                parent_id=parent_run,
                run_id=run_id,
            ) as run,
            bar("pretrain", config.optim.epochs) as advance,
        ):

            def on_metrics(epoch: int, metrics: dict[str, float]) -> None:
                if not noted.is_file():
                    storage.write(noted, run.reference.encode())
                run.metrics(metrics, epoch)
                advance(1 if epoch >= len(history) else 0, f"loss {metrics.get('val/loss', metrics['train/loss']):.3f}")
                history[epoch:] = [metrics]
                on_epoch(epoch)

            if history and (last := snapshots.get(len(history) - 1)) and not (last / checkpoints.DESCRIPTION).exists():
                keep_snapshot(staging, last)  # the run ended after saving its state and before the copy
            for epoch, metrics in enumerate(list(history)):
                if run_id is None:
                    run.metrics(metrics, epoch)
                advance(1, "")
                on_epoch(epoch)
            try:
                train = run_workers if needs_ray(config, address) else run_here
                train(store, config, staging, scratch, description, on_metrics, snapshots)
            except StoppedError as stopped:
                if stopped.status not in (TERMINATED, INTERRUPTED):
                    raise
                raise StoppedError(f"{stopped.message}; rerun the same command to resume", stopped.status) from None
            header = read_header(staging / LAST) or {}
            done = header["progress"]["history"]
            best = min(range(len(done)), key=lambda i: done[i].get("val/loss", done[i]["train/loss"]))
            figures = {
                "windows": int(sum(store.counts(part).sum() for part in ("train", "val"))),
                "clips": store.clips,
                "clips_too_short": store.short,
                "placements": ", ".join(store.placements),
                **({"recordings_not_worn_there": store.unworn} if store.has_recordings else {}),
                "epochs": len(done),
                "best_epoch": best,
                **done[best],
            }
            run.metrics({"best/epoch": best, "windows": figures["windows"]}, best)
            noted.unlink(missing_ok=True)
            shutil.rmtree(scratch if scratch != staging else scratch / WINDOWS)
            tables.write_manifest(
                staging,
                table="checkpoint",
                totals=figures,
                inputs={clips[0].name: store.data_sha256} if len(clips) == 1 and not recordings else _inputs(clips, recordings),
                config=config.model_dump(mode="json"),
            )
            run.artifact(staging / tables.MANIFEST)
            if parent_run is None:  # of a sweep's models, only the best is kept
                for part in (checkpoints.WEIGHTS, checkpoints.DESCRIPTION):
                    run.artifact(staging / part, "checkpoint")
    speed = {"train/windows_per_s": history[-1]["train/windows_per_s"]} if "train/windows_per_s" in history[-1] else {}
    return figures | speed | {"elapsed_s": time.perf_counter() - started}


def prepare(
    data: Location | Sequence[Location],
    folder: Path,
    config: PretrainConfig,
    address: str | None = None,
    recordings: Sequence[Location] = (),
) -> WindowStore:
    """Cut tables of synthetic clips and of recordings into windows, split by subject, with their sentences embedded.

    Windows that an earlier run has cut in the same way are reused.
    """
    corpora = open_corpora(list(data) if isinstance(data, Sequence) else [data], recordings)
    mixture = Mixture(config.mix, config.mounting.unknown)
    mixture.check(corpora)
    corpora = [corpus for corpus in corpora if not mixture.left_out(corpus)]
    placements = all_placements(corpora)
    shards = shards_of(corpora)
    cut = cut_here
    if needs_ray(config, address):
        connect(address, config.workers)
        cut = cut_shards
    with bar("windows", len(shards)) as advance:
        for _ in cut(shards, folder, config.windows, placements, config.exclude_subjects):
            advance(1, "")
    return write_index(
        folder,
        shards,
        config.windows,
        placements,
        val_share=config.val_share,
        seed=config.seed,
        embed=lambda sentences: text.embed(sentences, config.text_model),
        mixture=mixture,
        describe=describe,
    )


def describe(source: str, label: str, stretch: str) -> str:
    """A sentence for a stretch of a labelled recording: one of the source's own for its label, drawn by the name of the stretch, or
    one made from the label's words; "" for a label that says nothing."""
    known = sentences(source).get(label)
    if not known:
        return label_sentence(label)
    return known[int(generator(0, "sentence", source, stretch).integers(len(known)))]


def _inputs(clips: Sequence[Location], recordings: Sequence[Location]) -> dict[str, str]:
    return {full_name(table): tables.data_sha256(table) for table in (*clips, *recordings)}


def _scratch(staging: Location) -> Path:
    """Where windows are kept until the run is over: beside the state, or in the cache if the state is on an object store."""
    if isinstance(staging, Path):
        return staging
    folder = text.cache_folder() / "pretrain" / hashlib.sha256(staging.uri.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fingerprint(config: PretrainConfig, data_sha256: str, batch: int) -> str:
    """Digest of everything that decides the weights, except the order in which workers add up."""
    return hashlib.sha256(json.dumps([config.deciding, data_sha256, batch], sort_keys=True).encode()).hexdigest()


def _resumed(staging: Location, fingerprint: str, out: Location) -> list[dict[str, float]]:
    """Metrics of the epochs that an interrupted run has finished; what another run left behind is removed."""
    header = state.recovered(staging / LAST)
    if header is not None and header["fingerprint"] == fingerprint:
        progress = header["progress"]
        log.warning("%s resumes an interrupted run at epoch %d, step %d", out, progress["epoch"] + 1, progress["step"])
        return list(progress["history"])
    if header is not None:
        log.warning("%s starts from the beginning: the interrupted run had another config or other data", out)
    state.remove(staging / LAST)
    for left in (checkpoints.WEIGHTS, checkpoints.DESCRIPTION, RUN_ID):
        (staging / left).unlink(missing_ok=True)
    return []
