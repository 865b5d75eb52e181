"""`ndvr export-vectors`: export embeddings to Parquet files with a model card, or to a Qdrant database."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.sharing.parquet_folder import export_to_parquet
from jobs.sharing.qdrant_collection import export_to_qdrant
from jobs.sharing.selection import Segments, choose_model, select_vectors
from udfs.exporting.qdrant_points import Target

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
API_KEY_VARIABLE = "NDVR_QDRANT_API_KEY"


class ExportFormat(StrEnum):
    """Where the vectors are exported to."""

    PARQUET = "parquet"
    QDRANT = "qdrant"


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr export-vectors --lake /data/lake --to parquet --out /data/vectors",
        "ndvr export-vectors --lake /data/lake --to qdrant --url http://qdrant:6333",
    ),
)
def export_vectors(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    to: Annotated[ExportFormat, typer.Option(help="Where to export.")],
    *,
    out: Annotated[str | None, typer.Option(help="Parquet: folder or URI. An earlier export is replaced.")] = None,
    url: Annotated[
        str | None, typer.Option(help=f"Qdrant: URL of the server. The API key is read from {API_KEY_VARIABLE}.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Qdrant: folder of an embedded database, for small lakes.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="Qdrant: name of the collection.", show_default="the model_id")
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option(help="Model whose vectors are exported.", show_default="the model of the newest published run"),
    ] = None,
    segments: Annotated[Segments, typer.Option(help="Only whole videos, or also their windows.")] = Segments.WHOLE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Export the vectors of the videos in the manifest, for use by vector search programs.

    Parquet: the folder has flat rows, a model card and a README, and appears complete or not at all. Qdrant: the
    collection uses cosine distance and is synchronised with the lake. New and changed vectors are written, vectors of
    removed videos are deleted, and a second export writes nothing.

    Exit codes: 0 success; 1 the database failed during the export; 2 invalid usage, nothing to export, or no database.
    """
    from jobs.commands.open_lake import open_lake

    _check_place(to, out, url, path, collection)
    opened = open_lake(absolute(lake))
    model = choose_model(opened, model_id)
    vectors = select_vectors(opened, model, segments)
    if out is not None:
        card = export_to_parquet(vectors, opened, absolute(out), model, segments)
        result = card | {"out": absolute(out)}
        text = f"{card['num_vectors']} vectors of {card['num_videos']} videos in {absolute(out)}"
    else:
        where = None if path is None else absolute(path)
        target = Target(collection or model, url, where, os.environ.get(API_KEY_VARIABLE))
        done = export_to_qdrant(vectors, target, model)
        result = asdict(done) | {"collection": target.collection}
        text = (
            f"{done.num_points} vectors in collection {target.collection}: {done.num_written} written, "
            f"{done.num_deleted} deleted"
        )
    sys.stdout.write((json.dumps(result, ensure_ascii=False) if as_json else text) + "\n")


def _check_place(to: ExportFormat, out: str | None, url: str | None, path: str | None, collection: str | None) -> None:
    """Raise UsageError unless the options match the export format."""
    if to is ExportFormat.PARQUET:
        if out is None or url or path or collection:
            raise UsageError("--to parquet requires --out and excludes --url, --path and --collection")
    elif out is not None or [url, path].count(None) != 1:
        raise UsageError("--to qdrant requires either --url (server) or --path (embedded database) and excludes --out")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
