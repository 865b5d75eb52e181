"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("ndvr", deadline=None)
settings.load_profile("ndvr")
