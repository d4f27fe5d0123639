"""The only code that opens files, sockets or processes."""
