"""Which processor a Spark task computes on, and the CNN on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.describer import FrameDescriber
    from udfs.describing.settings import DescribeSettings


def describer_of_this_task(settings: DescribeSettings) -> FrameDescriber:
    """Return the CNN on the device that Spark gave this task; one is built per Python worker.

    Torch gets as many threads as Spark gives the task cores (`spark.task.cpus`): more would fight other tasks.
    Runs on: executor; outside a task (tests, the one-video check) it takes what the machine has.
    """
    from pyspark import TaskContext

    from models.describer import choose_device, choose_precision, limit_threads, load_describer

    task = TaskContext.get()
    gpus = task.resources().get("gpu") if task is not None else None
    if task is not None:
        limit_threads(task.cpus())
    device = choose_device(gpus.addresses if gpus is not None else ())
    return load_describer(
        settings.backbone,
        weights_dir=settings.weights_dir,
        allow_download=settings.allow_download,
        device=device,
        precision=choose_precision(settings.precision, device),
        batch_frames=settings.batch_frames,
    )
