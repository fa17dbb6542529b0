"""The lab: a Mesos cluster with Pointsman in network namespaces of one machine."""
