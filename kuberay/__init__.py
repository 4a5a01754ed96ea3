"""What is known of Ray on Kubernetes, and asked of a cluster, without Pulumi."""
