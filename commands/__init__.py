"""What people run around a stack: preview, drift, adopt, doctor, destroy."""
