"""Vectors for other programs: which of a lake's are taken, and the forms that they take."""
