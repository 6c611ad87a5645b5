"""What a fine-tuning starts from: random weights, a checkpoint, and either with synthetic clips in every batch (rehearsal).

Pretraining helps where its motions resemble the study's, and harms where they do not, so the start is decided on data: people are
the unit, and only the labelled training people are asked. They are split into folds; every possible start is trained for a short
while on the others' windows and scored on each fold's (nested cross-validation: Varma and Simon, BMC Bioinformatics 2006). Where
labels or people are too few to say, and where the best is not better than the usual choice by more than its standard error, the
usual choice stays.

A single label per class is enough to ask the clips themselves: what a classifier that has seen nothing else recognises of the
labelled recordings says how far they are to be trusted, and so how much of a batch they get.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from m3n.config import WindowsConfig
from m3n.config.names import AS_SET, CO_TRAINED
from m3n.data.confusion import draws_of_people, macro_f1, redrawn
from m3n.data.splits import subject_folds
from m3n.data.windows import RecordingWindows
from m3n.randomness import generator
from m3n.training.checkpoint import Checkpoint
from m3n.training.classifier import Sentences
from m3n.training.finetune import examples_per_class
from m3n.training.fit import Fitted, fit

if TYPE_CHECKING:
    from m3n.config import FinetuneConfig

SCRATCH, PRETRAINED, REHEARSED = "scratch", "pretrained", "rehearsed"
USUAL = (REHEARSED, PRETRAINED, CO_TRAINED, SCRATCH)  # the first possible one is the usual choice
WITH_CHECKPOINT, WITH_CLIPS = (PRETRAINED, REHEARSED), (REHEARSED, CO_TRAINED)
FEWEST_EXAMPLES = 4.0  # labelled examples per class with which the scores decide
FEWEST_PEOPLE = 3
FOLDS = 3
STEPS = 150  # of a short training
SCORED = 4096  # windows of a fold at most
REHEARSE, FADE = 0.5, 30.0  # `rehearse` and `rehearse_fade` of a start that rehearses, where they are not given
TRUSTED = 0.6  # macro F1 over chance, as a share of what is possible, from which on clips get all of `rehearse`
EXPECTED, EXPECTED_EXAMPLES = 0.5, 5  # macro F1 of clips of which nothing is known, and how many examples that is worth
LEAST_TRUSTED = 0.1  # of `rehearse`: clips that would get less are left out
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Choice:
    """A start, and why."""

    start: str
    decided_by: str  # "asked", "usual" (too little to decide on) or "scores"
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)  # people, examples, scores …, as in metrics.json
    rehearse: float | None = None  # share of the clips, where it was decided too

    def settings(self, config: FinetuneConfig) -> FinetuneConfig:
        """The settings with what was decided."""
        return config if self.rehearse is None else config.model_copy(update={"rehearse": self.rehearse})


def start_as_set(config: FinetuneConfig, pretrained: Checkpoint | None) -> str:
    """The start that a checkpoint and `rehearse` amount to."""
    if pretrained is None:
        return CO_TRAINED if config.rehearse else SCRATCH
    return REHEARSED if config.rehearse else PRETRAINED


def fit_from(
    start: str,
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    clips: RecordingWindows | None,
    sentences: Sentences | None = None,
    **how: Any,
) -> Fitted:
    """`m3n.training.fit.fit` with a start that is not "auto"; `clips`: windows to rehearse, `how`: further arguments."""
    uses_checkpoint = start in WITH_CHECKPOINT
    return fit(
        train, shape, config_of(start, config, pretrained), pretrained if uses_checkpoint else None,
        sentences if uses_checkpoint else None, rehearsed=clips if start in WITH_CLIPS else None, **how,
    )  # fmt: skip


def config_of(start: str, config: FinetuneConfig, pretrained: Checkpoint | None) -> FinetuneConfig:
    """The settings with which a start trains; what was set for itself (start=as_set) stays as it is.

    Without a checkpoint's weights the network is still the checkpoint's, so that starts differ in nothing else, and a text head,
    which starts from the joint embedding, becomes a linear one.
    """
    if config.start == AS_SET:
        return config
    own: dict[str, Any] = {"rehearse": 0.0}
    if start in WITH_CLIPS:
        fade = FADE if config.rehearse_fade is None else config.rehearse_fade
        own = {"rehearse": config.rehearse or REHEARSE, "rehearse_fade": fade}
    if start not in WITH_CHECKPOINT:
        own |= {"freeze": "not_frozen"}
        own |= {"model": pretrained.architecture} if pretrained else {}
        own |= {"head": "linear"} if config.head == "text" else {}
    return config.model_copy(update=own)


def choose_start(
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    clips: RecordingWindows | None,
    sentences: Sentences | None = None,
    on_training: Callable[[int, int, str], None] = lambda done, total, start: None,
) -> Choice:
    """Choose among the starts that a checkpoint and windows of synthetic clips allow, on the labelled windows `train` alone.

    `clips` that lack a class of `train` are no option: the classifier would come to prefer the classes that are rehearsed; nor are
    those of which a classifier recognises nothing in `train`. Others get a share of `config.rehearse` that grows with what it
    recognises. The same data and seed give the same choice. `on_training`: called before every short training. Raises what `fit`
    raises.
    """
    started = time.perf_counter()
    possible, asked = _possible(train, pretrained, clips), {}
    if clips is not None and possible[0] in WITH_CLIPS:
        alone = _recognised(clips, train, shape, config, pretrained)
        trusted = trust(alone, len(set(train.label.tolist())), len(np.unique(train.example)))
        if trusted < LEAST_TRUSTED:
            possible = [start for start in possible if start not in WITH_CLIPS]
        config = config.model_copy(update={"rehearse": trusted * (config.rehearse or REHEARSE)})
        asked = {"clips_alone_macro_f1": alone, "rehearse": config.rehearse}
    chosen = _chosen(possible, train, shape, config, pretrained, clips, sentences, on_training)
    evidence = chosen.evidence | asked | {"elapsed_s": time.perf_counter() - started}
    if not asked:
        return replace(chosen, evidence=evidence)
    told = f"; a classifier of the clips alone has a macro F1 of {asked['clips_alone_macro_f1']:.2f} on the labelled windows, "
    told += f"so clips get {config.rehearse:.0%} of a batch" if possible[0] in WITH_CLIPS else "so no clips are rehearsed"
    return replace(chosen, reason=chosen.reason + told, evidence=evidence, rehearse=config.rehearse)


def trust(macro_f1: float, classes: int, examples: int) -> float:
    """The share of `rehearse` that clips get (0 to 1), by the macro F1 of a classifier of clips alone on labelled examples.

    The square of its skill, (F1 - chance) / (1 - chance), over `TRUSTED`: half the skill, a quarter of the share. A few examples
    say little, so F1 is drawn towards `EXPECTED`, as if that had been seen on `EXPECTED_EXAMPLES` more. The form and its numbers
    are a choice, made on two datasets (docs/start.md).
    """
    likely = (macro_f1 * examples + EXPECTED * EXPECTED_EXAMPLES) / (examples + EXPECTED_EXAMPLES)
    skill = (likely - 1 / classes) / (1 - 1 / classes) if classes > 1 else 0.0
    return min(max(skill / TRUSTED, 0.0) ** 2, 1.0)


def _recognised(
    clips: RecordingWindows,
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
) -> float:
    """Macro F1 on the labelled windows of a classifier that is trained for a short while on clips alone, from random weights."""
    shown = _at_most(clips, STEPS * config.batch_size, config.seed, FOLDS)
    fitted = fit_from(SCRATCH, shown, shape, _short(config, shown), pretrained, None)
    scored = _at_most(train, SCORED, config.seed, FOLDS)
    return float(macro_f1(_confusions(fitted.predict(scored).argmax(1), scored).sum(0)))


def _chosen(
    possible: list[str],
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    clips: RecordingWindows | None,
    sentences: Sentences | None,
    on_training: Callable[[int, int, str], None],
) -> Choice:
    """The usual one of the possible starts, or the one that scores best on the training people in turn."""
    usual = possible[0]
    person = _people(train)
    per_class = examples_per_class(train)
    found: dict[str, Any] = {
        "people": len(set(person)), "examples": len(np.unique(train.example)), "examples_per_class": per_class
    }  # fmt: skip
    if len(possible) == 1:
        lacking = _not_shown(clips, train) if clips is not None else []
        why = f": the clips do not show {', '.join(lacking)}" if lacking else ""
        return Choice(usual, "usual", f"no other start is possible{why}", found)
    if pretrained:
        found["people_in_pretraining"] = len(_seen(train, pretrained))
    if per_class < FEWEST_EXAMPLES or len(set(person)) < FEWEST_PEOPLE:
        asked = f"{FEWEST_EXAMPLES:g} examples per class of {FEWEST_PEOPLE} people"
        reason = f"{per_class:.3g} labelled examples per class of {len(set(person))} people are too few to decide on ({asked})"
        return Choice(usual, "usual", reason, found)
    folds = subject_folds(sorted(set(person)), FOLDS, config.seed)
    parts = [_inner(train, clips, person, held_out, config, number) for number, held_out in enumerate(folds)]
    if usual in WITH_CLIPS and not all(_shows_classes(beside, inner) for inner, _, beside in parts):
        return Choice(usual, "usual", "the clips are of the training people, and without some of them lack a class", found)
    confusion: dict[str, list[np.ndarray]] = {start: [] for start in possible}
    for number, (inner, scored, beside) in enumerate(parts):
        for turn, start in enumerate(possible):
            on_training(number * len(possible) + turn, len(folds) * len(possible), start)
            fitted = fit_from(start, inner, shape, _short(config, inner), pretrained, beside, sentences)
            confusion[start].append(_confusions(fitted.predict(scored).argmax(1), scored))
    counts = {start: np.concatenate(found_scc) for start, found_scc in confusion.items()}
    scores = {start: float(macro_f1(counts_scc.sum(0))) for start, counts_scc in counts.items()}
    best = max(possible, key=lambda start: scores[start])  # the first, and so the usual one, where several are the best
    gain = scores[best] - scores[usual]
    error = _standard_error(counts[best], counts[usual], config.seed)
    chosen = best if gain > error else usual
    found |= {"folds": len(folds), "steps": _short(config, train).min_steps, "macro_f1": scores}
    if best != usual:
        found["gain_over_usual"] = {"usual": usual, "best": best, "gain": gain, "standard_error": error}
    listed = ", ".join(f"{start} {scores[start]:.3f}" for start in possible)
    if chosen == usual != best:
        listed += f"; {best} is not better than {usual} by more than its standard error of {error:.3f}"
    return Choice(chosen, "scores", f"macro F1 on {len(set(person))} training people in turn: {listed}", found)


def _possible(train: RecordingWindows, pretrained: Checkpoint | None, clips: RecordingWindows | None) -> list[str]:
    """The starts there are, the usual one first."""
    whole = _shows_classes(clips, train)
    return [s for s in USUAL if (pretrained or s not in WITH_CHECKPOINT) and (whole or s not in WITH_CLIPS)]


def _not_shown(clips: RecordingWindows, of: RecordingWindows) -> list[str]:
    return [of.classes[label] for label in sorted(set(of.label.tolist()) - set(clips.label.tolist()))]


def _shows_classes(clips: RecordingWindows | None, of: RecordingWindows) -> bool:
    return clips is not None and set(of.label.tolist()) <= set(clips.label.tolist())


def _people(windows: RecordingWindows) -> list[str]:
    """Who is in each window; people of two sources are never the same."""
    return [f"{windows.sources[r]}\x1f{windows.subjects[r]}" if windows.subjects else "" for r in windows.recording]


def _seen(train: RecordingWindows, pretrained: Checkpoint) -> set[str]:
    known = {f"{source}\x1f{subject}" for source, subjects in pretrained.subjects.items() for subject in subjects}
    return known & set(_people(train))


def _inner(
    train: RecordingWindows,
    clips: RecordingWindows | None,
    person: Sequence[str],
    held_out: Sequence[str],
    config: FinetuneConfig,
    number: int,
) -> tuple[RecordingWindows, RecordingWindows, RecordingWindows | None]:
    """(windows to train on, windows of the held-out people to score, clips without these people), no more than are needed.

    Windows with a label that the others do not have are not scored.
    """
    out = np.isin(person, held_out)
    inner = train.subset(~out)
    scored = train.subset(out & np.isin(train.label, inner.label))
    beside = clips.subset(~np.isin(_people(clips), held_out)) if clips else None
    return (
        _at_most(inner, STEPS * config.batch_size, config.seed, number),
        _at_most(scored, SCORED, config.seed, number),
        beside,
    )


def _at_most(windows: RecordingWindows, most: int, seed: int, number: int) -> RecordingWindows:
    if len(windows.label) <= most:
        return windows
    return windows.subset(np.sort(generator(seed, "start", "windows", number).permutation(len(windows.label))[:most]))


def _short(config: FinetuneConfig, windows: RecordingWindows) -> FinetuneConfig:
    """The settings of a short training: `STEPS`, or as many as the whole one has."""
    whole = max(config.min_steps, config.epochs * -(-len(windows.label) // config.batch_size))
    return config.model_copy(update={"epochs": 1, "min_steps": min(STEPS, whole)})


def _confusions(predicted: np.ndarray, windows: RecordingWindows) -> np.ndarray:
    """(people, truth, predicted) counts."""
    classes = len(windows.classes)
    people, number = np.unique(_people(windows), return_inverse=True)
    flat = (number * classes + windows.label) * classes + predicted
    return np.bincount(flat, minlength=len(people) * classes**2).reshape(len(people), classes, classes)


def _standard_error(ours_scc: np.ndarray, base_scc: np.ndarray, seed: int) -> float:
    """Of the difference of two macro F1 over the same people: the bootstrap's standard deviation, the people resampled."""
    times = draws_of_people(len(ours_scc), DRAWS, generator(seed, "start", "bootstrap"))
    ours, base = (macro_f1(redrawn(counts, times)) for counts in (ours_scc, base_scc))
    return float(np.std(ours - base))
