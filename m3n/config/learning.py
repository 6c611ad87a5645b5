"""What pretraining and fine-tuning share: how sequences are cut into windows, the architecture, and the augmentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from m3n.config import names
from m3n.config.base import Count, OneOf, Options, Positive, Share, Weight, choices


class WindowsConfig(Options):
    """How sequences are cut into windows; saved with the checkpoint."""

    window_s: Positive = Field(2.0, description="length of a window [s]")
    hop_s: Positive = Field(1.0, description="step from one window to the next [s]")
    pose_fps: Positive = Field(15.0, description="pose frames per second inside a window [Hz]")
    rate_hz: Positive = Field(50.0, description="IMU samples per second inside a window [Hz]")
    pad_short: bool = Field(
        False,
        description="pad clips that are shorter than a window by standing still, as recordings are; false leaves them out",
    )
    max_short: Share = Field(0.05, description="largest share of clips that may be left out for being shorter than a window")

    @property
    def samples(self) -> int:
        """IMU samples per window."""
        return max(1, round(self.window_s * self.rate_hz))

    @property
    def pose_frames(self) -> int:
        """Pose frames per window."""
        return max(1, round(self.window_s * self.pose_fps))


class ModelConfig(Options):
    """Architecture of Multi3Net: the arguments of `m3n.models.Multi3Net`."""

    imu_encoder: Annotated[str, OneOf(names.IMU_ENCODERS)] = Field(
        "conv_transformer", description=f"IMU encoder. {choices(names.IMU_ENCODERS)}"
    )
    shared_imu_encoder: bool = Field(
        True, description="one IMU encoder for all placements (left ones mirrored onto right ones); false: one for each"
    )
    width: Annotated[int, Field(ge=16, multiple_of=16)] = Field(128, description="channels inside the encoders")
    depth: Count = Field(2, description="transformer layers of the pose encoder, and blocks of the IMU encoder")
    embedding: Annotated[int, Field(ge=2)] = Field(256, description="size of the joint embedding")
    dropout: Share = Field(0.0, description="dropout rate")
    strapdown: bool = Field(
        True,
        description="also give the IMU encoder the window in a frame fixed in space, found by integrating the angular rate",
    )
    mounting_embedding: bool = Field(
        False, description="tell the IMU encoder which sensors' mounting is not known (switched on by `mounting.unknown`)"
    )
    pose_encoder: Annotated[str, OneOf(names.POSE_ENCODERS)] = Field(
        "joint_transformer", description=f"pose encoder. {choices(names.POSE_ENCODERS)}"
    )


class AugmentConfig(Options):
    """Random changes of every training window."""

    turn_rad: Weight = Field(1.0, description="turn of the mounting about the forearm, uniform within +- this angle [rad]")
    tilt_rad: Weight = Field(0.15, description="standard deviation of a further rotation of the mounting about any axis [rad]")
    scale: Weight = Field(0.1, description="standard deviation of the logarithm of a gain")
    noise: Weight = Field(0.05, description="standard deviation of white noise added to the normalised signal")
    warp: Weight = Field(0.15, description="standard deviation of the logarithm of a change of tempo")
    shift: Share = Field(0.0, description="largest shift in time to either side, as a share of the window")
    mask: Share = Field(0.2, description="longest span of time set to zero, as a share of the window")
    signal_dropout: Share = Field(0.0, description="chance that a placement's acceleration or angular rate is set to zero")
    low_rate: Share = Field(
        0.2, description="chance that a sensor records at a lower rate, drawn from 20 Hz up to windows.rate_hz"
    )
    placement_dropout: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="chance that all placements but one are left out (pretraining only)"
    )
