"""synthfaces: rendered portraits with masks and twins, the dataset that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from rightreasons.core.files import write_parquet
from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams
from rightreasons.data._files import provenance, write_fetched
from rightreasons.data.synthfaces import (
    ATTRIBUTES,
    MASKS,
    SWITCHABLE,
    render,
    sample_latents,
    switch,
)


class SynthFacesParams(DatasetParams):
    """Parameters of `synthfaces`."""

    size: int = Field(64, ge=16, le=1024, description="side of the square images in pixels")
    n_images: int = Field(6000, ge=1, description="number of portraits")
    seed: int = Field(0, ge=0, description="seed of the portraits, apart from the study's seeds")


@DATASETS.register(
    "synthfaces",
    title="synthfaces, rendered portraits",
    paper="this project, docs/datasets.md",
    params=SynthFacesParams,
    twins=SWITCHABLE,
    masks=MASKS,
    licence="MIT, made by this project",
    page="docs/datasets.md",
    shows_images=True,
)
class SynthFaces(Dataset):
    """Portraits drawn from latent parameters, deterministic by seed.

    The attributes have CelebA's names (0/1); beside them Skin_Tone (1 to 10, Monk scale) and
    smile (0 to 1). `fetch` draws the latents only; the images are rendered by the pool.
    """

    kind = "synthfaces"

    def __init__(self, params: SynthFacesParams, name: str, data_dir: str | Path = "data") -> None:
        super().__init__(params, name, data_dir)
        self._tables: dict[Path, pd.DataFrame] = {}

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any]:
        """Return the parameters of some small portraits."""
        return {"n_images": 12, "size": 32}

    def known_values(self, attribute: str) -> list[str] | None:
        """Return 0 and 1, or the ten skin tones; None for the strength of the smile."""
        if attribute == "Skin_Tone":
            return [str(tone) for tone in range(1, 11)]
        return ["0", "1"] if attribute in ATTRIBUTES else None

    def fetch(self, folder: Path) -> None:
        """Write the attributes, and all latents to latents.parquet."""
        latents = sample_latents(self.params.n_images, self.params.seed)
        latents.insert(0, "image_id", [f"{number:06d}" for number in range(len(latents))])
        table = latents[["image_id", *ATTRIBUTES, "Skin_Tone", "smile"]]
        folder.mkdir(parents=True, exist_ok=True)
        write_parquet(latents, folder / "latents.parquet")
        source = {"seed": self.params.seed, **provenance(self.kind)}
        write_fetched(folder, table.assign(identity=None, partition=None), source)

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Render some portraits with their masks."""
        return Batch(*render(self._latents(folder, rows), self.params.size))

    def twins(self, folder: Path, rows: pd.DataFrame, attribute: str) -> np.ndarray:
        """Render the same portraits with one attribute switched."""
        if attribute not in SWITCHABLE:
            return super().twins(folder, rows, attribute)
        return render(switch(self._latents(folder, rows), attribute), self.params.size)[0]

    def _latents(self, folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
        if folder not in self._tables:
            # Without threads: this runs in forked workers.
            latents = pd.read_parquet(folder / "latents.parquet", use_threads=False)
            self._tables[folder] = latents.set_index("image_id")
        return self._tables[folder].loc[rows["image_id"]].reset_index(drop=True)
