"""Config of `m3n pretrain`: losses, optimiser, budget."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from m3n.config import names
from m3n.config.base import Count, OneOf, Options, Positive, Share, Weight, as_names, choices
from m3n.config.learning import AugmentConfig, ModelConfig, WindowsConfig

_WEIGHTS: dict[str, Any] = {
    name: (Weight, Field(loss.weight, description=f"weight of: {loss.help}")) for name, loss in names.LOSSES.items()
}
_LossWeights: Any = create_model("_LossWeights", __base__=Options, **_WEIGHTS)


class LossConfig(_LossWeights):
    """Weights of the pretraining losses (0 switches one off), and how they compare."""

    temperature: Positive = Field(0.07, description="temperature of every contrastive loss")
    learn_temperature: bool = Field(False, description="learn the temperature, starting from `temperature`, within 0.01 to 0.5")
    contrast: Annotated[str, OneOf(names.CONTRASTIVE_LOSSES)] = Field(
        "infonce", description=f"kind of the contrastive losses. {choices(names.CONTRASTIVE_LOSSES)}"
    )
    uncertainty: bool = Field(
        False, description="correct the weights by learned uncertainties of the tasks (Kendall et al. 2018)"
    )
    signal_target: Literal["window", "centre"] = Field(
        "window",
        description="what pose2imu and reconstruction compare. window: all samples; centre: the centre sample, scaled to length 1",
    )

    @model_validator(mode="after")
    def _some_weight(self) -> LossConfig:
        if not any(self.weights.values()):
            raise ValueError("every loss weight is 0: give at least one loss a weight")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Loss -> weight."""
        return {name: getattr(self, name) for name in names.LOSSES}

    @property
    def options(self) -> dict[str, Any]:
        """Everything else: arguments of `m3n.losses.MultiTaskLoss` by name."""
        return {name: value for name, value in self if name not in names.LOSSES}


class ParameterGroup(Options):
    """How the parameters learn whose names match a pattern."""

    lr: Weight = Field(1.0, description="share of the learning rate")
    weight_decay: Weight | None = Field(None, description="weight decay; null: optim.weight_decay")


class OptimConfig(Options):
    """Optimiser, learning rate and budget."""

    optimizer: Literal["adam", "adamw"] = Field("adamw", description="optimiser")
    lr: Positive = Field(2e-3, description="peak learning rate")
    weight_decay: Weight = Field(0.01, description="weight decay (decoupled in adamw)")
    groups: dict[str, ParameterGroup] = Field(
        {}, description="exceptions for parameters whose names match a pattern, such as imu.*; the first match counts"
    )
    warmup: Share = Field(0.05, description="share of the steps with a rising learning rate")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="learning rate after the warm-up")
    clip_norm: Positive = Field(1.0, description="largest norm of the gradient")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        128, description="windows in a batch, over all workers; contrastive losses compare them with each other"
    )
    accumulate: Count = Field(1, description="batches whose gradients are averaged for one step of the optimiser")
    epochs: Count = Field(60, description="largest number of passes over the training windows")
    patience: Count = Field(30, description="epochs without a better validation loss before training stops")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto",
        description="precision of the networks; auto: bf16 on a GPU that supports it, else float32 (losses are always float32)",
    )
    compile: bool = Field(False, description="compile the networks with torch.compile (takes a minute; worth it on a GPU)")
    max_skipped: Count = Field(20, description="steps in a row that may be skipped because the loss is not finite")
    save_every_s: Positive = Field(
        60.0, description="time between saved states within an epoch [s]; the end of an epoch is always saved"
    )


class SensorMounting(Options):
    """What is known of how the sensors sat."""

    unknown: list[str] = Field(
        [],
        description="sources or tables whose sensors were mounted in an unknown way: each of their windows gets one of the 24 "
        "right-angle rotations at random, and the encoder gets a flag",
    )


HARDWARE = {"workers", "device", "gpu_wait_s", "restarts"}  # settings that decide how fast a pretraining is, not its weights


class PretrainConfig(Options):
    """Multi-task pretraining of Multi3Net on synthetic clips."""

    windows: WindowsConfig = WindowsConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    mix: dict[str, Weight] = Field(
        {},
        description="by source or table: how often each of its windows is drawn in an epoch, as in mix.utd=2; 0 leaves it out, the "
        "others count 1",
    )
    mounting: SensorMounting = SensorMounting()
    text_model: str = Field(
        "all-MiniLM-L6-v2", description="sentence encoder (frozen): a name or path for sentence-transformers"
    )
    exclude_subjects: list[str] = Field(
        [], description="subjects whose clips and recordings are left out, such as those tested on later"
    )
    val_share: Share = Field(
        0.1, description="share of the subjects kept for validation (of the clips, where no subjects are known)"
    )
    workers: Count = Field(2, description="Ray Train workers")
    restarts: Annotated[int, Field(ge=0)] = Field(
        3,
        description="restarts from the last saved state after a worker is lost",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where the networks run; auto: on GPUs if the cluster has one for every worker"
    )
    gpu_wait_s: Weight = Field(0.0, description="with device=cuda: how long to wait for an autoscaling cluster to add GPUs [s]")
    seed: int = Field(0, ge=0, description="seed of weights, order of windows, augmentation and split")

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that decide the weights, as JSON: all but speed and how often the state is saved."""
        return self.model_dump(mode="json", exclude={**dict.fromkeys(HARDWARE, True), "optim": {"save_every_s"}})

    @property
    def architecture(self) -> ModelConfig:
        """The network, told of unknown mountings if there are any."""
        return self.model.model_copy(update={"mounting_embedding": True}) if self.mounting.unknown else self.model

    @field_validator("exclude_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _pose_moves(self) -> PretrainConfig:
        if self.windows.pose_frames < 2:
            raise ValueError(
                f"windows.window_s is {self.windows.window_s:g} s, or {self.windows.pose_frames} pose frame at windows.pose_fps = "
                f"{self.windows.pose_fps:g} Hz: expected at least 2"
            )
        return self
