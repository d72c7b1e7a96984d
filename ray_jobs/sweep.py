"""A sweep as a Ray job; see README.md beside this file.

ray job submit --working-dir . -- python ray_jobs/sweep.py --config configs/sweeps/lam.yaml
"""

import sys

from ganntk.cli import main

# In a job the cluster is there already; an address given on the command line comes later and wins.
sys.exit(main(["sweep", "--run.cluster.address", "auto", *sys.argv[1:]]))
