r"""`m3n reproduce` as a Ray job: a classifier of real recordings, from a pretrained checkpoint or from scratch.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/reproduce.py /mnt/m3n/recordings --checkpoint /mnt/m3n/pretrain --out /mnt/m3n/reproduce freeze=none

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", *sys.argv[1:]]))
