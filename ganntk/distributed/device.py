"""What every worker says of its device. Layer 6."""

import jax
import psutil


class OnDevice:
    """A worker answers, and says how much memory it uses."""

    def ping(self) -> bool:
        """Say that this worker answers."""
        return True

    def device_name(self) -> str:
        """The device that this worker computes on."""
        device = jax.devices()[0]
        return f"{device.platform}: {device.device_kind}"

    def memory(self) -> int:
        """Bytes in use on this worker's device; of its process where that is a CPU."""
        stats = jax.local_devices()[0].memory_stats()
        if stats and "bytes_in_use" in stats:
            return int(stats["bytes_in_use"])
        return int(psutil.Process().memory_info().rss)
