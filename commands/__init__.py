"""What people run around a stack: preview, doctor, destroy."""
