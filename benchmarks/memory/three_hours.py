"""Measures the peak resident memory of a decoder child and its parent on a three-hour video, above the libraries.

Run it in the repository: python -m benchmarks.memory.three_hours [--size 640x360] [--fps 30] [--suffix .mp4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from udfs.decoding.pool import DecoderPool
from udfs.decoding.settings import DecoderSettings
from udfs.opening.locate import Roots
from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest

SEGMENT_SECONDS = 60
FRAME_PX = 224


@dataclass(frozen=True)
class Memory:
    """The resident memory of a process in MiB: its present value, and its peak since the last reset."""

    now_mib: float
    peak_mib: float

    @classmethod
    def of(cls, pid: int | str) -> Memory:
        """Read the memory of a process from /proc."""
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        now, peak = (int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return cls(now, peak)


def write_long_video(path: Path, hours: float, size: tuple[int, int], fps: int) -> None:
    """Encode one minute with one key frame, and repeat its packets."""
    minute = path.with_name(f"minute{path.suffix}")
    num_frames = SEGMENT_SECONDS * fps
    with av.open(str(minute), "w") as container:
        options = {"preset": "ultrafast", "bf": "0", "crf": "28"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = num_frames
        x = np.arange(size[0])[None, :, None]
        y = np.arange(size[1])[:, None, None]
        for number in range(num_frames):
            picture = (x * 3 + y * 2 + number * np.array([1, 2, 3])) % 256
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    with av.open(str(minute)) as source, av.open(str(path), "w") as target:
        template = source.streams.video[0]
        stream = target.add_stream_from_template(template)
        packets = [(packet.pts, packet.dts, packet.is_keyframe, bytes(packet)) for packet in source.demux(template)]
        first = packets[0][0]
        length = round(SEGMENT_SECONDS / template.time_base)
        for repeat in range(round(hours * 3600 / SEGMENT_SECONDS)):
            for pts, dts, is_keyframe, content in packets:
                if pts is None:
                    continue
                packet = av.Packet(content)
                packet.stream, packet.time_base = stream, template.time_base
                packet.pts, packet.dts = pts - first + repeat * length, dts - first + repeat * length
                packet.duration = round(Fraction(1, fps) / template.time_base)
                packet.is_keyframe = is_keyframe
                target.mux(packet)
    minute.unlink()


def find_child(pool: DecoderPool) -> int:
    """Return the process id of the child of a pool with one decoder."""
    (thread,) = pool._threads  # noqa: SLF001 -- only this script needs the thread
    return int(Path(f"/proc/self/task/{thread.native_id}/children").read_text().split()[0])


def measure(path: Path, short: Path) -> None:
    """Decode a short video to load all libraries, then the long video, and print the memory and time."""
    roots = Roots.of(str(path.parent))
    with DecoderPool(DecoderSettings(FRAME_PX), roots) as pool:
        list(pool.decode([VideoRequest("short", str(short))]))
        pids = {"parent": "self", "child": find_child(pool)}
        for pid in pids.values():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak
        before = {name: Memory.of(pid) for name, pid in pids.items()}
        started = time.monotonic()
        num_frames = 0
        for event in pool.decode([VideoRequest("long", str(path))]):
            if isinstance(event, FrameChunk):
                num_frames += len(event.frames)
            elif isinstance(event, VideoDone):
                facts = event.facts
                print(f"{facts.num_frames} frames, {facts.duration_seconds:.0f} s, by {facts.decoder}")
            elif isinstance(event, VideoFailed):
                raise SystemExit(f"the long video failed: {event.error}")
        print(f"{path.stat().st_size / 2**20:.0f} MiB: {num_frames} frames sampled", end=" ")
        print(f"in {time.monotonic() - started:.1f} s")
        for name, pid in pids.items():
            after = Memory.of(pid)
            above = after.peak_mib - before[name].now_mib
            print(
                f"{name}: {before[name].now_mib:.0f} MiB loaded, peak {after.peak_mib:.0f} MiB, {above:.0f} MiB above"
            )


def main() -> None:
    """Make the videos and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="160x90", help="WIDTHxHEIGHT in px")
    parser.add_argument("--fps", type=int, default=10, help="frames per second")
    parser.add_argument("--hours", type=float, default=3.0, help="duration of the video")
    parser.add_argument("--suffix", default=".mp4", help="suffix of the container format")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        short, path = (Path(folder) / f"{name}{arguments.suffix}" for name in ("short", "long"))
        write_long_video(short, 1 / 60, (width, height), arguments.fps)
        write_long_video(path, arguments.hours, (width, height), arguments.fps)
        measure(path, short)


if __name__ == "__main__":
    main()
