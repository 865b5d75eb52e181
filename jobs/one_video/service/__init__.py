"""The HTTP service that checks one video per request and answers in JSON. Needs the extra `serve`."""
