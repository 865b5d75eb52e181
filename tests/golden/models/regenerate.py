"""Make descriptors.npz: run `python -m tests.golden.models.regenerate` from the repository's root.

Do so only after a change that is meant to change descriptors, and raise models.registry.POOLING_VERSION with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.describer import load_describer
from models.pooling import pool_video

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).with_name("descriptors.npz")
BACKBONES = ("efficientnet_lite0", "efficientnet_lite0_ndvr", "tiny")


def make_images(px: int) -> NDArray[np.uint8]:
    """Draw uint8 (4, px, px, 3) by integer arithmetic alone, the same on every machine.

    A colour gradient; discs on a chequerboard; coarse noise; stripes between black bars (a letterboxed frame).
    """
    row, column = np.mgrid[:px, :px]
    images = np.zeros((4, px, px, 3), dtype=np.uint8)
    images[0] = np.stack([row * 255 // px, column * 255 // px, (row + column) * 255 // (2 * px)], axis=-1)
    images[1] = (((row * 8 // px) + (column * 8 // px)) % 2 * 200)[..., np.newaxis]
    for i, colour in enumerate([(230, 40, 30), (20, 180, 60), (40, 60, 220)]):
        centre = px * (i + 1) // 4
        images[1][(row - centre) ** 2 + (column - px // 2) ** 2 < (px // 9) ** 2] = colour
    cells = np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    images[2] = cells[row * 16 // px, column * 16 // px]
    images[3] = np.stack([column * 12 % 256, column * 5 % 256, row * 7 % 256], axis=-1)
    images[3, : px // 5] = images[3, px - px // 5 :] = 0
    return images


def main() -> None:
    """Write the fp32 descriptors of the images, and the video vector of each backbone's four, to GOLDEN."""
    golden = {}
    for name in BACKBONES:
        describer = load_describer(name)
        golden[name] = describer.describe(make_images(describer.spec.input_px))
        golden[f"{name}_video"] = pool_video(golden[name])
    np.savez_compressed(GOLDEN, **golden)


if __name__ == "__main__":
    main()
