"""One of two processes that share one job: what `write` of it says.

python -m tests.sample.write_in_processes PROCESS PORT MODEL OUT
"""

from __future__ import annotations

import sys

import jax

import jaxsynth as js


def main(process: int, port: int, model: str, out: str) -> None:
    """Join the other process and write this one's shards; prints how many they were and the devices it had."""
    jax.config.update("jax_num_cpu_devices", 2)  # type: ignore[no-untyped-call]
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
    built = js.load(model).write(out, 30_000, seed=4, start=100, shard_rows=7_000, part="auto").built
    print(built, jax.device_count(), jax.local_device_count())  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
