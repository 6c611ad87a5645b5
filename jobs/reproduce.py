r"""`m3n reproduce` as a Ray job: pretraining against training from scratch, on a data set's own protocol, as a grid of Ray tasks.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/reproduce.py utd_mhad --data /mnt/m3n/utd_mhad.zip --out /mnt/m3n/reproduce workers=16

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", *sys.argv[1:]]))
