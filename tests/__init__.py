"""The specification, told as tests; the tree mirrors the packages."""
