r"""`m3n pretrain` as a Ray job: text, pose and IMU encoders together, on Ray Train.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/pretrain.py /mnt/m3n/synthetic --out /mnt/m3n/pretrain --config configs/default.yaml workers=4

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["pretrain", *sys.argv[1:]]))
