"""From the raw config of a stack to its settings, or to one clear line for each thing that is wrong with it. Pure."""
