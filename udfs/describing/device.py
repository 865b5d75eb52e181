"""Loads the CNN on the device of a Spark task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.describer import FrameDescriber
    from udfs.describing.settings import DescribeSettings


def get_task_describer(settings: DescribeSettings) -> FrameDescriber:
    """Return the CNN on the device that Spark assigned to this task. It is loaded once per Python worker.

    Torch uses as many threads as Spark assigns cores to the task (`spark.task.cpus`); more would compete with other
    tasks. Runs on: executor. Outside of a task (tests, the one-video check) the best device of the machine is used.
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
