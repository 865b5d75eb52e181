"""Makes edited copies of video files, as re-uploaders do."""
