"""Settings: their defaults, limits and descriptions, and how they are loaded."""
