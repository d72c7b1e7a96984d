"""An evaluation as a Ray job; see README.md beside this file.

ray job submit --working-dir . -- python ray_jobs/evaluate.py RUN_URI --reference URI
"""

import sys

from ganntk.cli import main

sys.exit(main(["evaluate", *sys.argv[1:]]))
