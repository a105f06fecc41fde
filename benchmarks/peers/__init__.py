"""What people would use in our place, measured beside us: exactness through `kill -9`, and speed.

A peer is a folder: its pinned dependencies and one short program a task, as its documentation has it. Its environment is made
on first use in .cache/peers. Programs are told what to do by `job.py`, and run by `exactness.py` and `speed.py`.
"""
