"""What keeps a lake in shape: the layout of its files, what has expired, what killed runs left, old schemas."""
