"""An export as a Ray job; see README.md beside this file.

ray job submit --working-dir . -- python ray_jobs/export.py RUN_URI DST --format parquet
"""

import sys

from ganntk.cli import main

sys.exit(main(["export", *sys.argv[1:]]))
