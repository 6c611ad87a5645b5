"""Configs of the stages that learn: pretrain, finetune and evaluate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from m3n.config.base import AnyPlacements, Count, Options, Positive, Share, Weight, as_names


class WindowsConfig(Options):
    """How sequences are cut; travels with the checkpoint."""

    window_s: Positive = Field(2.0, description="length of a window [s]")
    hop_s: Positive = Field(1.0, description="step from one window to the next [s]")
    pose_fps: Positive = Field(15.0, description="pose frames per second inside a window [Hz]")
    rate_hz: Positive = Field(50.0, description="IMU samples per second inside a window [Hz]")
    pad_short: bool = Field(
        False,
        description="whether a clip shorter than a window goes on as if all stood still (as recordings do) and is not left out",
    )
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
    strapdown: bool = Field(
        True,
        description="whether the IMU encoder also reads the window in a frame that stands still, by integrating the angular rate",
    )


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
    shift: Share = Field(0.0, description="largest shift in time, uniform to either side, as a share of the window")
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


HARDWARE = {"workers", "device", "gpu_wait_s", "restarts"}  # of a pretraining: how fast it is, not what comes out


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
    gpu_wait_s: Weight = Field(0.0, description="with device=cuda: time for an autoscaling cluster to bring the GPUs [s]")
    seed: int = Field(0, ge=0, description="seed of weights, order, augmentation and split")

    @property
    def deciding(self) -> dict[str, Any]:
        """What decides the weights, as JSON has it: all but speed, and how often the state is saved."""
        return self.model_dump(mode="json", exclude={**dict.fromkeys(HARDWARE, True), "optim": {"save_every_s"}})

    @field_validator("exclude_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _pose_moves(self) -> PretrainConfig:
        if self.windows.pose_frames < 2:
            raise ValueError(
                f"windows.window_s is {self.windows.window_s:g} s, {self.windows.pose_frames} pose frame at windows.pose_fps = "
                f"{self.windows.pose_fps:g} Hz: expected at least 2"
            )
        return self


class FreezeOptions(Options):
    """What the freeze strategies can be told."""

    first: Count = Field(2, description="first_k: blocks of the encoder, from the sensor up, that stay frozen")
    probe: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="lp_ft: share of the training before everything learns; gradual: before the lowest block does"
    )
    decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.75, description="layer_decay: learning rate, from a block to the next below"
    )
    rank: Count = Field(8, description="adapters: rank of the learned change of a weight")


class FinetuneConfig(Options):
    """Classifier of real, labelled recordings."""

    freeze: Literal["none", "all", "first_k", "gradual", "lp_ft", "layer_decay", "adapters"] = Field(
        "none",
        description="what of the encoder learns. none: everything; all: nothing, a linear probe; first_k: all but the lowest "
        "blocks; gradual: unfrozen from the top; lp_ft: a probe first, then everything; layer_decay: slower deeper down; adapters: "
        "low-rank changes alone",
    )
    freeze_options: FreezeOptions = FreezeOptions()
    head: Literal["linear", "mlp", "attention", "experts", "text"] = Field(
        "linear",
        description="classifier on the features. attention: pools over time anew; experts: a mixture, balanced; text: cosine with "
        "the classes' sentences in the pretrained joint embedding, so that it starts from zero-shot classification",
    )
    sentences: str | None = Field(
        None, description="head=text: YAML file, label -> list of sentences; null: those of the recordings' source"
    )
    targets: Literal["majority", "dense"] = Field(
        "majority",
        description="what a window is trained to say. majority: the label of most of its time; dense: the label at each of its "
        "steps (8 samples), of which the mean counts",
    )
    rehearse: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of every batch that is windows of synthetic clips (--clips, those of the checkpoint) with the classes' "
        "labels, so that little real data is not all there is to learn from; from scratch: any clips. Clips of the recordings' own "
        "data set are drawn as often as all others",
    )
    label_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the training labels used, stratified"
    )
    labels_per_class: Count | None = Field(None, description="labelled examples of every class, in place of label_fraction")
    ignore_labels: list[str] = Field([], description="labels that are neither trained nor scored, such as a null class")
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="balanced: rare classes count as much as frequent ones"
    )
    allow_seen: bool = Field(False, description="whether test subjects' poses may have been pretrained on (the scores flatter)")
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

    @field_validator("train_subjects", "val_subjects", "test_subjects", "ignore_labels", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _fold_in_range(self) -> FinetuneConfig:
        if self.head == "attention" and self.targets == "dense":
            raise ValueError("head=attention pools the steps of a window, targets=dense labels each: choose another head")
        if self.test_subjects is None and self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}, expected below folds = {self.folds} (folds count from 0)")
        if isinstance(self.train_subjects, int) and self.train_subjects < 1:
            raise ValueError(f"train_subjects is {self.train_subjects}, expected at least 1")
        return self


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
        return as_names(value)


class PredictConfig(Options):
    """A time line of activities."""

    hop_s: Positive | None = Field(
        None, description="step from one window to the next, and length of a cell of the time line [s]; null: half a window"
    )
    min_confidence: Share = Field(0.0, description="mean probability below which a cell is labelled 'unknown'")
    batch_size: Count = Field(256, description="windows classified at a time")
