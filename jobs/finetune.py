r"""`m3n finetune` as a Ray job: a classifier of real recordings, from a pretrained checkpoint or from scratch.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/finetune.py /mnt/m3n/recordings --checkpoint /mnt/m3n/pretrain --out /mnt/m3n/finetune freeze=none

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.finetune`.
"""

from m3n.cli import entry

entry("finetune")
