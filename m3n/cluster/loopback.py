"""Ray Train workers of one machine, which meet at a file and talk over loopback.

PyTorch's own meeting point is a server that listens on all interfaces of the machine, without a login, even for a single worker.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4


def loopback_config(folder: Path) -> Any:
    """A `TorchConfig` of gloo over loopback; the workers meet in `folder`, on the disk of this machine.

    Made here, because importing Ray Train sets environment variables.
    """
    from ray.train.torch import TorchConfig
    from ray.train.torch.config import _set_torch_distributed_env_vars, _setup_torch_process_group, _TorchBackend

    class LoopbackBackend(_TorchBackend):
        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            import ray

            meeting = folder / f"meeting-{uuid4().hex}"
            meeting.parent.mkdir(parents=True, exist_ok=True)
            worker_group.execute(_only_loopback)
            worker_group.execute(_set_torch_distributed_env_vars)
            workers = range(len(worker_group))
            ray.get(
                [
                    worker_group.execute_single_async(
                        rank, _setup_torch_process_group, backend="gloo", world_rank=rank, world_size=len(workers),
                        init_method=meeting.as_uri(), timeout_s=backend_config.timeout_s,
                    )
                    for rank in workers
                ]
            )  # fmt: skip

    @dataclass
    class LoopbackConfig(TorchConfig):  # type: ignore[misc]
        @property
        def backend_cls(self) -> Any:
            return LoopbackBackend

    return LoopbackConfig(backend="gloo")


def _only_loopback() -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
