r"""`m3n pretrain` as a Ray job: text, pose and IMU encoders together, on Ray Train.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/pretrain.py /mnt/m3n/synthetic --out /mnt/m3n/pretrain --config default workers=4

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.pretrain`.
"""

from m3n.cli import entry

entry("pretrain")
