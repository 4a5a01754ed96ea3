"""What a merge will do: `make preview`."""
