"""One typed config per stage: a YAML file plus dotted `key=value` overrides, merged by OmegaConf and checked by pydantic.

A config file has one section per stage (`simulate:`, `pretrain:`, `finetune:`, ...), so that one preset can carry a whole path;
each command reads its own section. Unknown keys are errors that name the nearest known one. Every field carries a
description with its unit; `--help` is made from them.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from m3n.errors import InputError, nearest
from m3n.schema import BODY_JOINTS, SMPL_JOINTS, check_own_placement, check_placement_names, check_placements

Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _known(placements: list[str]) -> list[str]:
    check_placements(placements)
    return placements


def _named(placements: list[str]) -> list[str]:
    check_placement_names(placements)
    return placements


Placements = Annotated[list[str], AfterValidator(_known)]
AnyPlacements = Annotated[list[str], AfterValidator(_named)]  # those that users have defined too


class Options(BaseModel):
    """Base of every config: unknown keys are refused, values cannot be changed after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class IngestConfig(Options):
    """Settings that every source shares; a source adds its own."""

    rows_per_shard: Count = Field(64, description="rows in one Parquet shard")
    max_rejected: Share = Field(0.05, description="largest share of items that may go to quarantine before ingest fails")


def _body_joint(name: str) -> str:
    known = SMPL_JOINTS[:BODY_JOINTS]
    if name not in known:
        raise ValueError(f"unknown joint '{name}'{nearest(name, known)}; expected one of {', '.join(known)}")
    return name


BodyJoint = Annotated[str, AfterValidator(_body_joint)]
Vector = tuple[float, float, float]


class Site(Options):
    """A placement: a point that is fixed to a bone, and the directions of the sensor's axes there.

    Vectors are in the bone's rest frame, that of the body in T-pose: x to the body's left, y up, z forward. The point is one of
    three: `offset_m` from the joint, a skin `vertex`, or the skin `towards` a direction. Seen from an offset or a vertex, the
    sensor's axes are those of the rest frame; on the skin towards a direction, x runs along the bone to the joint `end` (up where
    there is none), z out of the skin and y = z × x, as of m3n's own placements. `rotation_deg` then turns the sensor.
    """

    joint: BodyJoint = Field(description="joint that carries the bone: left_elbow carries the left forearm")
    offset_m: Vector | None = Field(None, description="point: from the joint, in the bone's rest frame [m]")
    vertex: Annotated[int, Field(ge=0)] | None = Field(None, description="point: a vertex of the body model's mesh")
    towards: Vector | None = Field(None, description="point: the skin in this direction from the bone, in its rest frame")
    end: BodyJoint | None = Field(
        None, description="with towards: joint at the bone's far end; null: the bone runs straight up"
    )
    from_end_m: float | None = Field(
        None,
        description="with towards: distance from `end` back to the point [m]; null: half-way, or at the joint without `end`",
    )
    above_m: float | None = Field(None, description="with towards and no end: distance of the point above the joint [m]")
    rotation_deg: Vector = Field((0.0, 0.0, 0.0), description="mounting: rotation vector about the sensor's own axes [deg]")

    @model_validator(mode="after")
    def _one_point(self) -> Site:
        given = [name for name in ("offset_m", "vertex", "towards") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of offset_m, vertex and towards, found {' and '.join(given) or 'none'}")
        if self.towards is None and (self.end, self.from_end_m, self.above_m) != (None, None, None):
            raise ValueError(
                "end, from_end_m and above_m say where the skin `towards` a direction is searched: give towards too"
            )
        if self.from_end_m is not None and self.end is None:
            raise ValueError("from_end_m is a distance from the joint `end`: give end too")
        if self.above_m is not None and self.end is not None:
            raise ValueError("above_m is for a bone without `end`: give from_end_m instead")
        if self.end == self.joint:
            raise ValueError(f"end is the joint '{self.joint}' itself: expected the joint at the bone's far end")
        if self.towards is not None and (self.towards == (0, 0, 0) or (self.end is None and self.towards[::2] == (0, 0))):
            raise ValueError(f"towards is {list(self.towards)}: expected a direction across the bone")
        return self


class CalibrateConfig(Options):
    """Simulated signals brought to the distribution of real, unlabelled ones."""

    recordings: str | None = Field(None, description="table of real recordings to calibrate towards; null: no calibration")
    subjects: list[str] | None = Field(None, description="subjects whose recordings are used: training subjects only")
    exclude_subjects: list[str] | None = Field(
        None, description="or: the subjects whose recordings are not used (those held out downstream); [] uses all"
    )
    placements: AnyPlacements | None = Field(None, description="placements to calibrate; null: all that are simulated")
    clips: Count = Field(500, description="clips drawn to learn the simulated distribution")
    samples: Count = Field(200_000, description="samples drawn per placement, simulated and real")
    quantiles: Annotated[int, Field(ge=2)] = Field(1001, description="quantiles that hold a channel's distribution")

    @field_validator("subjects", "exclude_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return _names(value)

    @model_validator(mode="after")
    def _subjects_are_chosen(self) -> CalibrateConfig:
        if self.recordings is not None and (self.subjects is None) == (self.exclude_subjects is None):
            raise ValueError(
                "recordings of held-out subjects must not be used: give one of calibrate.subjects and calibrate.exclude_subjects"
            )
        return self


class SimulateConfig(Options):
    """Virtual IMUs over pose clips."""

    placements: list[str] = Field(
        ["left_wrist", "right_wrist"], description="sensor placements to simulate: m3n's own, and those of `sites`"
    )
    sites: dict[str, Site] = Field({}, description="placements of your own, by name; columns are imu_<name>")
    rate_hz: Positive = Field(60.0, description="sampling rate of the virtual sensors [Hz]")
    method: Literal["spline", "finite_differences"] = Field(
        "spline",
        description="derivatives: exact, of splines; or differences of frames, as the field's scripts do, to compare with",
    )
    cutoff_hz: Positive | Literal["source", "none"] = Field(
        "source", description="cut-off of the zero-lag low pass over the motion [Hz]; 'source': the pose source's own; 'none'"
    )
    sensor: Literal["ideal", "mpu9250", "bmi160", "lsm6dso", "tsnd151"] = Field("ideal", description="errors of a real part")
    randomise: bool = Field(
        False, description="another body, tempo, part and way of wearing for every clip; `sensor` is ignored"
    )
    calibrate: CalibrateConfig = CalibrateConfig()
    seed: int = Field(0, ge=0, description="seed of the sensor errors, the worlds and the calibration's draws")
    workers: Count = Field(2, description="simulating processes")
    max_rejected: Share = Field(0.05, description="largest share of clips that may go to quarantine before simulate fails")

    @model_validator(mode="after")
    def _known_placements(self) -> SimulateConfig:
        for name in self.sites:
            check_own_placement(name)
        check_placements(self.placements, self.sites)
        if self.calibrate.placements is not None:
            for name in set(self.calibrate.placements) - set(self.placements):
                raise ValueError(f"calibrate.placements names '{name}', which is not simulated: add it to placements")
        return self


class WindowsConfig(Options):
    """How sequences are cut; travels with the checkpoint."""

    window_s: Positive = Field(2.0, description="length of a window [s]")
    hop_s: Positive = Field(1.0, description="step from one window to the next [s]")
    pose_fps: Positive = Field(15.0, description="pose frames per second inside a window [Hz]")
    rate_hz: Positive = Field(50.0, description="IMU samples per second inside a window [Hz]")
    max_short: Share = Field(0.05, description="largest share of clips that may be shorter than a window (they are left out)")

    @property
    def samples(self) -> int:
        """IMU samples per window."""
        return max(1, round(self.window_s * self.rate_hz))

    @property
    def pose_frames(self) -> int:
        """Pose frames per window."""
        return max(1, round(self.window_s * self.pose_fps))


class ModelConfig(Options):
    """Architecture of Multi3Net; these are the arguments of `m3n.models.Multi3Net`."""

    imu_encoder: Literal["conv_transformer", "residual_cnn", "conv_lstm", "attend_discriminate"] = Field(
        "conv_transformer", description="architecture of the IMU encoder"
    )
    shared_imu_encoder: bool = Field(
        True, description="one IMU encoder for both wrists (left mirrored onto right), or one each"
    )
    width: Annotated[int, Field(ge=16, multiple_of=16)] = Field(128, description="channels inside the encoders")
    depth: Count = Field(2, description="transformer layers of the pose encoder, and blocks of the IMU encoder")
    embedding: Annotated[int, Field(ge=2)] = Field(256, description="size of the joint embedding")
    dropout: Share = Field(0.0, description="dropout rate")


OBJECTIVES = ("text_imu", "text_pose", "imu_pose", "left_right", "pose2imu", "reconstruction")


class LossConfig(Options):
    """Weights of the pretraining objectives; 0 switches one off."""

    text_imu: Weight = Field(1.0, description="InfoNCE between text and IMU")
    text_pose: Weight = Field(0.5, description="InfoNCE between text and pose")
    imu_pose: Weight = Field(1.0, description="InfoNCE between IMU and pose")
    left_right: Weight = Field(0.25, description="InfoNCE between the left and the right wrist")
    pose2imu: Weight = Field(3.0, description="Pose2IMU regression (mean squared error of normalised samples)")
    reconstruction: Weight = Field(1.0, description="IMU reconstruction (mean squared error of normalised samples)")
    temperature: Positive = Field(0.07, description="temperature of every contrastive objective")
    learn_temperature: bool = Field(False, description="the temperature learns too, from `temperature` on, within 0.01 to 0.5")
    contrast: Literal["infonce", "siglip"] = Field("infonce", description="loss of the four contrastive objectives")
    uncertainty: bool = Field(False, description="weights are corrected by learned uncertainties of the tasks")
    signal_target: Literal["window", "centre"] = Field(
        "window", description="what Pose2IMU and reconstruction are compared in: the window, or its L2-normalised centre sample"
    )

    @model_validator(mode="after")
    def _some_weight(self) -> LossConfig:
        if not any(self.weights.values()):
            raise ValueError("every loss weight is 0: give at least one objective a weight")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Objective -> weight."""
        return {name: getattr(self, name) for name in OBJECTIVES}

    @property
    def options(self) -> dict[str, Any]:
        """Everything else: arguments of `m3n.losses.MultiTaskLoss` by name."""
        return {name: value for name, value in self if name not in OBJECTIVES}


class AugmentConfig(Options):
    """Random changes of every training window, on the batch."""

    turn_rad: Weight = Field(1.0, description="mounting turned about the forearm, uniform over +- this angle [rad]")
    tilt_rad: Weight = Field(0.15, description="standard deviation of a further mounting rotation about any axis [rad]")
    scale: Weight = Field(0.1, description="standard deviation of a log-normal gain")
    noise: Weight = Field(0.05, description="standard deviation of white noise, in units of the normalised signal")
    warp: Weight = Field(0.15, description="standard deviation of a log-normal tempo")
    mask: Share = Field(0.2, description="longest blanked span, as a share of the window")
    mask_signal: Share = Field(0.0, description="chance that a placement's acceleration or angular rate is blanked")
    slow: Share = Field(0.2, description="chance that a sensor records at a rate drawn from 20 Hz to the windows' own")
    drop: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="chance that only one placement is worn (pretraining)")


class ParameterGroup(Options):
    """How the parameters whose names match a pattern learn."""

    lr: Weight = Field(1.0, description="share of the learning rate")
    weight_decay: Weight | None = Field(None, description="weight decay; null: that of all")


class OptimConfig(Options):
    """Optimiser and budget."""

    optimizer: Literal["adam", "adamw"] = Field("adamw", description="optimiser")
    lr: Positive = Field(2e-3, description="peak learning rate")
    weight_decay: Weight = Field(0.01, description="weight decay (decoupled in adamw)")
    groups: dict[str, ParameterGroup] = Field(
        {}, description="parameters that learn otherwise, by a pattern of their names (imu.*); the first that matches counts"
    )
    warmup: Share = Field(0.05, description="share of the steps with rising learning rate")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="learning rate after the warm-up")
    clip_norm: Positive = Field(1.0, description="largest norm of the gradient")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        128, description="windows that are contrasted with each other, over all workers"
    )
    accumulate: Count = Field(1, description="batches whose gradients are averaged before a step of the optimiser")
    epochs: Count = Field(60, description="passes over the training windows, at most")
    patience: Count = Field(30, description="epochs without a better validation loss before training stops")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="arithmetic of the networks; auto: bf16 on a GPU that has it, else float32 (losses: always float32)"
    )
    compile: bool = Field(False, description="compile the networks with torch.compile (takes a minute, pays on a GPU)")
    max_skipped: Count = Field(20, description="steps in a row that may be skipped for a loss that is not finite")
    save_every_s: Positive = Field(60.0, description="time between saved states within an epoch [s]; one ends every epoch")


class PretrainConfig(Options):
    """Multi-task pretraining on synthetic clips."""

    windows: WindowsConfig = WindowsConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    text_model: str = Field("all-MiniLM-L6-v2", description="frozen sentence encoder: name or path for sentence-transformers")
    exclude_subjects: list[str] = Field([], description="subjects whose clips are left out (those held out downstream)")
    val_share: Share = Field(0.1, description="share of subjects (of clips, where there are no subjects) kept for validation")
    workers: Count = Field(2, description="Ray Train workers")
    restarts: Annotated[int, Field(ge=0)] = Field(
        3,
        description="times that the workers start again, from the last state, after one was lost",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where the networks run; auto: on GPUs where the cluster has one for every worker"
    )
    seed: int = Field(0, ge=0, description="seed of weights, order, augmentation and split")

    @field_validator("exclude_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return _names(value)

    @model_validator(mode="after")
    def _pose_moves(self) -> PretrainConfig:
        if self.windows.pose_frames < 2:
            raise ValueError(
                f"windows.window_s is {self.windows.window_s:g} s, {self.windows.pose_frames} pose frame at windows.pose_fps = "
                f"{self.windows.pose_fps:g} Hz: expected at least 2"
            )
        return self


class FinetuneConfig(Options):
    """Classifier of real, labelled recordings."""

    freeze: Literal["none", "all"] = Field("none", description="'all': frozen encoder, linear probe; 'none': everything learns")
    label_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the training labels used, stratified"
    )
    train_subjects: int | list[str] | None = Field(
        None, description="subjects with labels: a list, or how many to draw; null: all that are not held out"
    )
    val_subjects: list[str] = Field([], description="subjects for model selection, taken from the training subjects")
    test_subjects: list[str] | None = Field(None, description="held-out subjects; null: those of `fold`")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="subject folds, where test_subjects is null")
    fold: Annotated[int, Field(ge=0)] = Field(0, description="which fold is held out")
    placements: AnyPlacements | None = Field(None, description="placements to use; null: all that the recordings have")
    windows: WindowsConfig | None = Field(None, description="null: the checkpoint's; from scratch: the defaults")
    model: ModelConfig | None = Field(None, description="architecture; null: the checkpoint's; from scratch: the defaults")
    augment: AugmentConfig = AugmentConfig(turn_rad=0.3, mask=0.0, drop=0.0, slow=0.0)
    epochs: Count = Field(60, description="passes over the labelled windows (no fewer than min_steps steps)")
    min_steps: Annotated[int, Field(ge=0)] = Field(400, description="smallest number of optimiser steps")
    batch_size: Count = Field(64, description="windows in a batch")
    lr: Positive = Field(1e-3, description="peak learning rate of the head, and of everything from scratch")
    encoder_lr: Positive = Field(1e-3, description="peak learning rate of a pretrained encoder that is not frozen")
    weight_decay: Weight = Field(0.01, description="decoupled weight decay")
    label_smoothing: Share = Field(0.1, description="label smoothing of the cross entropy")
    seed: int = Field(0, ge=0, description="seed of weights, order, augmentation and label draw")

    @field_validator("train_subjects", "val_subjects", "test_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return _names(value)

    @model_validator(mode="after")
    def _fold_in_range(self) -> FinetuneConfig:
        if self.test_subjects is None and self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}, expected below folds = {self.folds} (folds count from 0)")
        if isinstance(self.train_subjects, int) and self.train_subjects < 1:
            raise ValueError(f"train_subjects is {self.train_subjects}, expected at least 1")
        return self


def _names(value: Any) -> Any:
    """Subjects as text: many data sets call them 1, 2, 3, which YAML reads as numbers."""
    return [str(v) for v in value] if isinstance(value, list) else value


class TuneConfig(Options):
    """Search over pretraining settings; the objective is validation macro F1 after fine-tuning."""

    trials: Count = Field(8, description="trials to run")
    concurrent: Count = Field(1, description="trials at a time")
    seed: int = Field(0, ge=0, description="seed of the sampler")
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()


class EvaluateConfig(Options):
    """How good a pretrained Multi3Net is on held-out subjects."""

    subjects: list[str] | None = Field(
        None, description="held-out subjects to evaluate on; null: all that the checkpoint was not trained on"
    )
    allow_seen: bool = Field(False, description="whether `subjects` may name some that were trained on (the figures flatter)")
    probe_subjects: list[str] | None = Field(
        None,
        description="subjects whose recordings train kNN and linear probe; null: all the others (where there are none, the "
        "held-out subjects train and test in turn, in folds)",
    )
    placements: AnyPlacements | None = Field(
        None, description="placements to look at; null: the checkpoint's, of recordings those that were worn"
    )
    hop_s: Positive | None = Field(None, description="step from one window to the next [s]; null: the checkpoint's")
    batch_size: Count = Field(256, description="windows embedded at a time")
    neighbours: Count = Field(5, description="k of the k nearest neighbours")
    probe_c: Positive = Field(1.0, description="inverse L2 penalty of the linear probe (fixed, on standardised features)")
    sentences: str | None = Field(
        None,
        description="zero-shot sentences: YAML file, label -> list of sentences; null: those of the recordings' source; 'none': no "
        "zero-shot",
    )
    picture: Literal["tsne", "umap", "none"] = Field("tsne", description="picture of the embeddings (umap needs umap-learn)")
    max_windows: Annotated[int, Field(ge=2)] = Field(
        2000, description="windows drawn at most for figures over pairs (retrieval, alignment, uniformity)"
    )
    seed: int = Field(0, ge=0, description="seed of that draw, of the folds and of the picture")

    @field_validator("subjects", "probe_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return _names(value)


class FidelityConfig(Options):
    """Simulated sensors against real ones that recorded the same movements."""

    placements: Placements | None = Field(None, description="placements to compare; null: all that were worn")
    cutoff_hz: Positive = Field(6.0, description="zero-lag low pass over both signals before they are compared [Hz]")
    max_lag_s: Weight = Field(0.25, description="largest lag between the two clocks, either way [s]")
    mounting: Literal["recording", "subject", "none"] = Field(
        "recording", description="one mounting rotation per recording, or per subject and placement, or none"
    )
    motion_cutoff_hz: Positive | Literal["source", "none"] = Field(
        "source", description="low pass over the motion before it is simulated [Hz]; 'source': the pose source's own; 'none'"
    )
    along_m: Annotated[float, Field(ge=-0.5, le=0.5)] | Literal["search"] = Field(
        "search",
        description="how much further along its x axis (towards the hand) than m3n's the real sensor sat [m]; 'search': within "
        "0.05 m either way, for every subject what suits the other subjects' recordings best",
    )


STAGES: dict[str, type[Options]] = {
    "ingest": IngestConfig,
    "simulate": SimulateConfig,
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
    "evaluate": EvaluateConfig,
    "tune": TuneConfig,
    "fidelity": FidelityConfig,
}

C = TypeVar("C", bound=Options)
NAME = "<name>"  # stands in a key for a name that the user chooses


def resolve(schema: type[C], stage: str, file: Path | None = None, overrides: Iterable[str] = ()) -> C:
    """The checked config of one stage: defaults, then the stage's section of `file`, then `key=value` overrides.

    Raises InputError for an unreadable file, an unknown section or key, or a value of the wrong type or range.
    """
    from omegaconf import OmegaConf

    try:
        merged = OmegaConf.create(_section(file, stage) if file else {})
    except InputError:
        raise
    except Exception as error:  # odd keys and broken ${...} fail in any way at all
        raise InputError(f"{file}: section '{stage}' cannot be read: {_first_line(error)}") from None
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or not key.strip():
            raise InputError(f"'{override}' is not an override: expected key=value, as in seed=1 or optim.lr=0.001")
        try:
            merged.merge_with_dotlist([override])
        except Exception as error:  # YAML's own types, such as !!int of nothing, fail in any way at all
            raise InputError(f"cannot read the override '{override}': {_first_line(error)}") from None
    return check(schema, OmegaConf.to_container(merged, resolve=False), file)


def check(schema: type[C], values: Any, file: Path | None = None) -> C:
    """A config from nested values; InputError that names the first key that is wrong."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise InputError(_explain(error, schema, file)) from None


def _section(file: Path, stage: str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the config file {file}: {reason}") from None
    except RecursionError:
        raise InputError(f"{file} is not valid YAML: it is nested too deeply") from None
    except Exception as error:  # YAML's own types, such as !!int of nothing, fail in any way at all
        raise InputError(f"{file} is not valid YAML: {error}") from None
    if _size(content) > _LARGEST:
        raise InputError(f"{file} is no config file: it holds over {_LARGEST} values, or refers to itself")
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected one section per stage ({', '.join(STAGES)}), found a {type(content).__name__}")
    for name, section in content.items():
        if name not in STAGES:
            raise InputError(f"{file}: unknown section '{name}'{nearest(str(name), STAGES)}; expected {', '.join(STAGES)}")
        if not isinstance(section, dict | None):
            raise InputError(f"{file}: section '{name}' must hold key: value pairs")
    if stage == "tune":  # a sweep starts from the stages' own sections
        return {name: content[name] for name in ("pretrain", "finetune") if content.get(name)} | (content.get("tune") or {})
    return content.get(stage) or {}


_LARGEST = 10_000  # values of a config file, counted again wherever a YAML alias repeats them


def _size(value: Any, depth: int = 0) -> int:
    """Values in nested YAML; counting stops soon after `_LARGEST`, which a level deeper than 50 counts as."""
    if depth > 50:
        return _LARGEST + 1
    total = 1
    for held in value.values() if isinstance(value, dict) else value if isinstance(value, list | set) else ():
        total += _size(held, depth + 1)
        if total > _LARGEST:
            break
    return total


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _explain(error: ValidationError, schema: type[Options], file: Path | None) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    known = [_spelled(key, path) for key in keys(schema)]
    where = f" (in {file} or the overrides)" if file else ""
    if first["type"] == "extra_forbidden":
        return f"unknown config key '{'.'.join(path)}'{nearest('.'.join(path), known)}{where}"
    if first["type"] == "missing":
        return f"config key '{'.'.join(path)}' is missing: {first['msg'].lower()}{where}"
    key = _known_part(path, known)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("value_error",) or not key:
        return f"{key + ': ' if key else ''}{message}{where}"
    return f"config key '{key}' is {first['input']!r}: {message[0].lower() + message[1:]}{where}"


def _known_part(path: list[str], known: list[str]) -> str:
    """The longest start of an error's location that is a key (unions add their own parts behind it)."""
    starts = {".".join(k.split(".")[:n]) for k in known for n in range(1, k.count(".") + 2)}
    return next((".".join(path[:n]) for n in range(len(path), 0, -1) if ".".join(path[:n]) in starts), "")


def _spelled(key: str, path: list[str]) -> str:
    """A key with the name that a user gave where it says <name>."""
    parts = key.split(".")
    return ".".join(path[i] if part == NAME and i < len(path) else part for i, part in enumerate(parts))


def preset(name: str) -> Path:
    """A file of `configs/`, in a checkout or in an installed package."""
    package = Path(__file__).resolve().parent
    return next(
        (f for f in (package.parent / "configs" / name, package / "configs" / name) if f.is_file()), Path("configs") / name
    )


def describe(schema: type[Options], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted key, default, description) of every setting, in order; a section that may be null, then its keys."""
    for name, field in schema.model_fields.items():
        nested = _nested(field.annotation)
        if nested is None or field.default is None:
            default = "" if field.is_required() else json.dumps(field.get_default(call_default_factory=True), default=str)
            yield f"{prefix}{name}", default, field.description or ""
        if entry := _entry(field.annotation):
            yield from describe(entry, f"{prefix}{name}.{NAME}.")
        if nested is not None:
            for key, default, text in describe(nested, f"{prefix}{name}."):
                value = _dig(field.default, key.removeprefix(f"{prefix}{name}."))
                yield key, default if value is None else json.dumps(value), text


def _nested(annotation: Any) -> type[Options] | None:
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((a for a in options if isinstance(a, type) and issubclass(a, Options)), None)


def _entry(annotation: Any) -> type[Options] | None:
    """The options of every entry, where a key holds entries by name."""
    is_mapping = typing.get_origin(annotation) is dict
    return _nested(typing.get_args(annotation)[1]) if is_mapping else None


def _dig(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def keys(schema: type[Options], prefix: str = "") -> list[str]:
    """Every dotted key of a config, sections that may be null included."""
    found: list[str] = []
    for name, field in schema.model_fields.items():
        nested = _nested(field.annotation)
        found += keys(nested, f"{prefix}{name}.") if nested is not None else [f"{prefix}{name}"]
        if entry := _entry(field.annotation):
            found += keys(entry, f"{prefix}{name}.{NAME}.")
    return found


def flatten(config: Options) -> dict[str, Any]:
    """Dotted key -> value, for MLflow params and manifests."""

    def walk(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                yield from walk(inner, f"{prefix}.{name}" if prefix else name)
        else:
            yield prefix, value

    return dict(walk(config.model_dump(mode="json"), ""))


def sha256(config: Options) -> str:
    """Digest of a config's values, the same wherever they came from."""
    return hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
