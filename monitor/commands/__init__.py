"""The commands of `xmon`, one file a group. Each imports what it needs when it runs, so that `--help` is quick."""
