"""One module per table, with the same name: its contract and its `build` function."""
