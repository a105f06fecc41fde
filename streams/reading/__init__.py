"""From the stored state of all partitions to one immutable snapshot of every window."""
