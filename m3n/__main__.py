"""`python -m m3n <command>`: the same as `m3n <command>`, where the script is not on the PATH."""

from m3n.cli import entry

entry()
