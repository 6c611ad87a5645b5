"""What pretraining and fine-tuning share: how sequences are cut, the architecture, and random changes of a batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from m3n.config.base import Count, Options, Positive, Share, Weight


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
