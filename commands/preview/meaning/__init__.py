"""From the steps of a preview to what they mean for Ray. Pure."""
