"""What stands: the network, the cluster and the programs on its nodes."""
