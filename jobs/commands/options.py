"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_LAKE = "NDVR_LAKE"
LakeOption = Annotated[str, typer.Option(envvar=_LAKE, help="Folder or URI of the tables.")]
NewLakeOption = Annotated[
    str, typer.Option(envvar=_LAKE, help="Folder or URI of the tables; created if it does not exist.")
]
IndexedLakeOption = Annotated[str, typer.Option(envvar=_LAKE, help="Folder or URI of the tables and the index.")]
IndexedConfigOption = Annotated[
    Path | None, typer.Option(help="YAML file of settings.", show_default="those of the run that published the index")
]
MasterOption = Annotated[
    str | None, typer.Option(help="Spark master.", show_default="that of spark-submit, otherwise local[*,4]")
]
LogDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder for logs.", show_default="LAKE/_logs; ./ndvr-logs if LAKE is remote, and LAKE/_logs at the end"
    ),
]
