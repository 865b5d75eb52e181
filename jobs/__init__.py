"""The driver: Spark, Delta, configuration and the command line."""
