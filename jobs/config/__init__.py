"""Settings: what may be set, its defaults and limits, and how it is loaded."""
