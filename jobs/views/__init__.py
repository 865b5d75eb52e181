"""The SQL views: queries over the tables that people and other packages read."""
