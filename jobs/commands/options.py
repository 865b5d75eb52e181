"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Lake = Annotated[str, typer.Option(help="Folder or URI that holds the tables.")]
NewLake = Annotated[str, typer.Option(help="Folder or URI that holds the tables; made if it is not there.")]
IndexedLake = Annotated[str, typer.Option(help="Folder or URI that holds the tables and the index.")]
IndexedConfig = Annotated[
    Path | None, typer.Option(help="YAML file of settings.", show_default="those of the night that published the index")
]
Master = Annotated[str | None, typer.Option(help="Spark master.", show_default="spark-submit's, else local[*,4]")]
LogDir = Annotated[
    Path | None, typer.Option(help="Folder for logs.", show_default="LAKE/_logs; ndvr-logs here if LAKE is remote")
]
