"""From a URI to an open file that is what it claims to be, before any decoder sees it."""
