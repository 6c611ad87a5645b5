r"""`m3n evaluate` as a Ray job: a pretrained checkpoint, tested without fine-tuning on subjects it was not trained on.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/evaluate.py /mnt/m3n/pretrain --recordings /mnt/m3n/recordings --out /mnt/m3n/evaluate

The job runs the code of the working directory. Its data is not uploaded: give absolute paths that every node can read.
The exit status is the command's: 0, 2 for bad input, 1 for anything else. From an installed wheel: `python -m m3n.jobs.evaluate`.
"""

from m3n.cli import entry

entry("evaluate")
