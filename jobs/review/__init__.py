"""The report of a run: a folder of pages, with the queue of pairs to review, that a browser opens offline."""
