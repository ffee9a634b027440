"""Portraits per second on one core, masks, blur, noise and JPEG included.

Run it with: python benchmarks/synthfaces.py
"""

from __future__ import annotations

import time

import numpy as np

from rightreasons.data.synthfaces import render, sample_latents

CHUNK = {64: 100, 224: 25}
REPEATS = 10


def rates(size: int) -> np.ndarray:
    """Images per second of CPU time, one number per chunk of images."""
    latents = sample_latents(CHUNK[size] * REPEATS, seed=0)
    render(latents.head(5), size)
    seconds = []
    for k in range(REPEATS):
        chunk = latents.iloc[k * CHUNK[size] : (k + 1) * CHUNK[size]]
        start = time.process_time()
        render(chunk, size)
        seconds.append(time.process_time() - start)
    return CHUNK[size] / np.array(seconds)


def main() -> None:
    print(f"{'pixels':>6} {'median':>7} {'best':>7}   images per second and core")
    for size in CHUNK:
        per_second = rates(size)
        print(f"{size:>6} {np.median(per_second):>7.0f} {per_second.max():>7.0f}")


if __name__ == "__main__":
    main()
