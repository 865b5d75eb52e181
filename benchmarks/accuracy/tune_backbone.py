"""Fine-tunes the default backbone on frames of the train split. It needs a GPU for about ten minutes.

`benchmarks/README.md` describes the folder for --clips. To use the output, copy it to `models/artefacts/backbones`, put
its SHA-256 into `models/registry.py`, and train the head again (`run.py --write`).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset, IterableDataset

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.accuracy.clips import Clip, read_clips
from models.borders import cut_borders, find_content
from models.describer import FrameDescriber, choose_device
from models.frame_augmentations import apply_edits, draw_edit_names, fit_to_square
from models.registry import get_backbone
from models.tuning import TeacherVectors, TrainableLite0, TuningConfig, fine_tune
from models.weights import load_state_dict
from models.whitening import fit_discriminative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_START = "efficientnet_lite0"
_PICTURE_PX = 384  # longer side: larger than the network's input, so that crops stay sharp
_FRAMES_PER_CLIP = 44
_FRAME_EVERY_SECONDS = 0.45
_WEBP_QUALITY = 82
_COPIES_FOR_HEAD = 10
_NUM_DIMS = 512
_UNEDITED_SHARE = 0.06  # of the edited frames: the embeddings of unedited frames must not move
_FRAMES_PER_CHUNK, _CHUNKS_PER_BATCH, _COPIES_PER_FRAME = 32, 8, 2
_SEED = 11


@dataclass(frozen=True)
class Frame:
    """A training frame, as a WebP file in memory, and the number of its footage."""

    picture: bytes
    source: int

    def open(self) -> NDArray[np.uint8]:
        """Decode the frame: uint8 (height, width, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.picture)).convert("RGB"))


def main() -> None:
    """Fine-fine_tune the backbone, write its weights, and print their SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder with clips.csv, truth.csv and the clips")
    parser.add_argument("--out", type=Path, default=Path("efficientnet_lite0_ndvr.safetensors"), help="file to write")
    parser.add_argument("--processes", type=int, default=16, help="number of processes that edit frames")
    parser.add_argument("--steps", type=int, default=TuningConfig.steps, help="number of batches of 512 edited frames")
    arguments = parser.parse_args()
    if arguments.clips is None:
        print("nothing trained: pass --clips with a folder of real clips, clips.csv and truth.csv")
        return
    frames = take_frames(arguments.clips.resolve(), arguments.processes)
    print(f"{len(frames)} frames of {len({frame.source for frame in frames})} sources", flush=True)
    device = choose_device(())
    teacher = make_teacher(frames, device, arguments.processes)
    spec = get_backbone(_START)
    chunks = iter(
        DataLoader(AugmentedChunks(frames), batch_size=None, num_workers=arguments.processes, prefetch_factor=4)
    )
    config = TuningConfig(steps=arguments.steps)
    state = fine_tune(
        TrainableLite0(spec, load_state_dict(spec)), teacher, _batch(chunks), config, device, _print_progress
    )
    save_file(state, arguments.out)
    print(arguments.out, hashlib.sha256(arguments.out.read_bytes()).hexdigest())


def take_frames(folder: Path, processes: int) -> list[Frame]:
    """Take evenly spaced frames of the clips of the train split, without their borders."""
    clips = [clip for clip in read_clips(folder) if clip.split == "train"]
    names = sorted({clip.footage_id for clip in clips})
    with ProcessPoolExecutor(processes) as pool:
        taken = pool.map(_take_of_clip, clips)
        return [
            Frame(picture, names.index(clip.footage_id))
            for clip, pictures in zip(clips, taken, strict=True)
            for picture in pictures
        ]


def _take_of_clip(clip: Clip) -> list[bytes]:
    """Return frames of a clip as WebP files; if decoding fails, the frames before the failure."""
    frames = _decode(clip.path)
    kept = np.unique(np.linspace(0, len(frames) - 1, min(_FRAMES_PER_CLIP, len(frames))).round().astype(int))
    files = []
    for place in kept:
        square = fit_to_square(frames[place], _PICTURE_PX)
        top, bottom, left, right = find_content(square)
        file = io.BytesIO()
        Image.fromarray(square[top:bottom, left:right]).save(file, "WEBP", quality=_WEBP_QUALITY)
        files.append(file.getvalue())
    return files


def _decode(path: Path) -> list[NDArray[np.uint8]]:
    """Decode one frame every `_FRAME_EVERY_SECONDS`."""
    frames, last = [], -np.inf
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                seconds = frame.time or 0.0
                if seconds - last >= _FRAME_EVERY_SECONDS:
                    frames.append(frame.to_ndarray(format="rgb24"))
                    last = seconds
    except av.FFmpegError as error:
        print(f"{path.name}: {error}", flush=True)
    return frames


def make_teacher(frames: list[Frame], device: str, processes: int) -> TeacherVectors:
    """Fit the head on edited copies of the frames, described by the original network, and embed the frames with it."""
    describer = FrameDescriber(get_backbone(_START), device, batch_frames=8 if device == "cpu" else 256)
    loader = DataLoader(FixedAugmentations(frames), batch_size=None, num_workers=processes)
    described = np.stack([describer.describe(copies.numpy()) for copies in loader])
    head = fit_discriminative(described, min(_NUM_DIMS, len(frames) - 1))
    sources = np.array([frame.source for frame in frames], dtype=np.int64)
    return TeacherVectors(head.embed(described[:, 0]), sources, head)


class FixedAugmentations(Dataset[torch.Tensor]):
    """For each frame, the frame and ten edited copies: uint8 (11, px, px, 3), the same at every access."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)

    def __getitem__(self, place: int) -> torch.Tensor:
        """Return the frame and its edited copies."""
        rng = np.random.default_rng([_SEED, place])
        edited = [_edit(self._frames, place, rng) for _ in range(_COPIES_FOR_HEAD)]
        return torch.from_numpy(np.stack([_to_input(self._frames[place].open()), *edited]))


class AugmentedChunks(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """An endless sequence of chunks: edited frames, uint8 (64, px, px, 3), and the frame of each, int64 (64,)."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Draw frames and edits; each worker draws different ones."""
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([_SEED, 1 + (worker.id if worker else 0)])
        number = min(_FRAMES_PER_CHUNK, len(self._frames))
        while True:
            targets = rng.choice(len(self._frames), size=number, replace=False).repeat(_COPIES_PER_FRAME)
            copies = [
                _to_input(self._frames[place].open())
                if rng.random() < _UNEDITED_SHARE
                else _edit(self._frames, place, rng)
                for place in targets
            ]
            yield torch.from_numpy(np.stack(copies)), torch.from_numpy(targets)


def _edit(frames: list[Frame], place: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make one edited copy of a frame. A frame of another source serves edits that combine two frames."""
    other = int(rng.integers(len(frames)))
    while frames[other].source == frames[place].source:
        other = int(rng.integers(len(frames)))
    return _to_input(apply_edits(frames[place].open(), frames[other].open(), draw_edit_names(rng), rng))


def _to_input(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    square = fit_to_square(np.ascontiguousarray(picture), get_backbone(_START).input_px)
    return cut_borders(square[np.newaxis])[0]


def _batch(chunks: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Concatenate chunks into batches."""
    while True:
        parts = [next(chunks) for _ in range(_CHUNKS_PER_BATCH)]
        yield torch.cat([copies for copies, _ in parts]), torch.cat([targets for _, targets in parts])


def _print_progress(step: int, loss: float) -> None:
    if step % 50 == 0:
        print(f"{step} batches, loss {loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
