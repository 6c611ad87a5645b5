r"""`m3n simulate` as a Ray job: virtual IMUs over a table of pose clips, on Ray Data.

    ray job submit --working-dir . --runtime-env runtime_env.yaml -- \
        python jobs/simulate.py /mnt/m3n/poses --out /mnt/m3n/synthetic rate_hz=50

It runs the code of the working directory, on the cluster that the job was given to. Data stays out of what is uploaded, so
its paths are absolute, in a folder that every node sees. Ends with the exit status of the command: 0, 2 for bad input, or 1.
"""

import sys

from m3n.cli import main

if __name__ == "__main__":
    sys.exit(main(["simulate", *sys.argv[1:]]))
