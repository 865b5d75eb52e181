"""Opens videos within the allowed roots and checks what kind of file each one is."""
