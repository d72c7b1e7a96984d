"""A run folder drawn as one self-contained `report.html`. Layer 4.

`contents` reads the folder, `curves` and `pictures` draw, `page` puts it together from `page.html`,
`page.css` and `page.js`. The file asks for nothing outside itself, so it opens from disk, from an
e-mail or from a bucket, and goes with a run wherever the run goes.
"""

from ganntk import storage
from ganntk.report.contents import read
from ganntk.report.page import render
from ganntk.run_folder import REPORT, RunFolder


def write(run_uri: str) -> str:
    """Draw `report.html` of a run, finished or not, and return its URI.

    Args:
        run_uri: a run folder on any storage.

    Raises:
        InputError: when there is no run at `run_uri`.

    Example:
        >>> from ganntk import report
        >>> report.write("runs/digits")  # doctest: +SKIP
        'runs/digits/report.html'
    """
    folder = RunFolder.open(run_uri)
    uri = folder.path(REPORT)
    storage.write_text(uri, render(read(folder)))
    return uri
