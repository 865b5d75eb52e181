"""One module per table, named as the table: its DDL, its grain and its `build`."""
