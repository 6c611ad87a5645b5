"""Config of `m3n pretrain`: losses, optimiser, budget."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from m3n.config.base import Count, Options, Positive, Share, Weight, as_names
from m3n.config.learning import AugmentConfig, ModelConfig, WindowsConfig

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
