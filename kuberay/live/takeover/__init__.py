"""What a killed run left in the cluster, whose it is, and how it is taken over."""
