"""Read this bundle; needs numpy, pandas, pyarrow and zarr (3.0.6 or newer), nothing else."""

from pathlib import Path

import pandas as pd
import zarr

folder = Path(__file__).parent
frames = pd.read_parquet(folder / "frames.parquet")  # row i of the table is frame i of the pixels
pixels = zarr.open_group(folder / "frames.zarr", mode="r")
view = frames["view"].iloc[0]
rows = frames.index[frames["view"] == view][:16].to_numpy()
images, masks = pixels["image"].oindex[rows], pixels["mask"].oindex[rows]  # uint8 [n, R, R]
print(f"{len(frames)} synthetic frames; {len(rows)} of view {view}: {images.shape} {images.dtype}")
print("labels in them:", sorted(set(masks.ravel().tolist())))
