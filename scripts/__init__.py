"""The command line: ``cli`` is the entry, with one file a command beside it."""
