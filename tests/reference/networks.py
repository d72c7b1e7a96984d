"""Networks of `neural_tangents.stax` that a configuration can name."""

from ganntk.kernels.stax import import_stax

stax = import_stax()

NETWORK = stax.serial(stax.Dense(1), stax.Relu(), stax.Dense(1))
NO_NETWORK = (1, 2)


def smooth(width: int = 1) -> tuple:
    """A network with a nonlinearity that ganntk does not have."""
    return stax.serial(stax.Flatten(), stax.Dense(width), stax.Gelu(), stax.Dense(1))
