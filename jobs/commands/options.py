"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LakeOption = Annotated[str, typer.Option(help="Folder or URI that holds the tables.")]
NewLakeOption = Annotated[str, typer.Option(help="Folder or URI that holds the tables; made if it is not there.")]
IndexedLakeOption = Annotated[str, typer.Option(help="Folder or URI that holds the tables and the index.")]
IndexedConfigOption = Annotated[
    Path | None, typer.Option(help="YAML file of settings.", show_default="those of the night that published the index")
]
MasterOption = Annotated[str | None, typer.Option(help="Spark master.", show_default="spark-submit's, else local[*,4]")]
LogDirOption = Annotated[
    Path | None, typer.Option(help="Folder for logs.", show_default="LAKE/_logs; ndvr-logs here if LAKE is remote")
]
