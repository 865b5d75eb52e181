"""From pairs of videos to clusters: which videos stay together, and which of them is kept."""
