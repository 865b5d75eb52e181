"""The index that one video is checked against: how shards of it are written on executors, and how they are read."""
