"""The errors a caller can act on. Layer 0: imports nothing of ganntk."""


class InputError(ValueError):
    """Something given to ganntk cannot be used.

    The message is one sentence: what was got, what was expected, what to do.
    """


class BusyFolderError(InputError):
    """Another run writes into the folder: wait, or choose another one."""


class NonFiniteObjectiveError(FloatingPointError):
    """The objective left the finite numbers: the run stops, nothing is replaced."""


class CheckpointError(RuntimeError):
    """A checkpoint could not be written, or none could be restored: nothing committed is lost."""
