"""A node with eight GPUs as Ray reports it from NVML: an exporter on loopback that replays values.

The values have the form and the size of an eight-GPU machine at work: seven GPUs are busy, and one
stands still, as that of a worker that died.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Of one busy GPU, in the order of time: use in %, memory in MB, power in W, temperature in C.
_BUSY = (
    (12, 8_120, 178, 41),
    (96, 61_440, 512, 52),
    (99, 61_440, 640, 58),
    (98, 61_448, 655, 61),
    (71, 61_448, 498, 60),
    (99, 61_448, 661, 63),
    (100, 61_448, 668, 64),
    (97, 61_448, 650, 64),
)
_IDLE = (0, 612, 71, 33)
TOTAL_MEGABYTES = 81_559
GPUS, IDLE_GPU = 8, 5


def lines(session: str, sample: int) -> str:
    """The series at one sample, as Prometheus reads them."""
    found = []
    for gpu in range(GPUS):
        use, used, watts, celsius = _IDLE if gpu == IDLE_GPU else _BUSY[(sample + gpu) % len(_BUSY)]
        labels = (
            f'{{ip="10.0.0.9",RayNodeType="worker",IsHeadNode="false",GpuIndex="{gpu}",'
            f'GpuDeviceName="NVIDIA H100 80GB HBM3",SessionName="{session}"}}'
        )
        values = {
            "ray_node_gpus_available": 1,
            "ray_node_gpus_utilization": use,
            "ray_node_gram_used": used,
            "ray_node_gram_available": TOTAL_MEGABYTES - used,
            "ray_node_gpu_power_milliwatts": watts * 1000,
            "ray_node_gpu_temperature_celsius": celsius,
        }
        found += [f"{name}{labels} {value}" for name, value in values.items()]
    return "\n".join(sorted(found)) + "\n"


@contextmanager
def replaying(session: str) -> Iterator[str]:
    """Host and port where the next sample is read, inside the block."""
    samples = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = lines(session, next(samples)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
