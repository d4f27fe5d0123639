"""What commands read and change: the running shim, settings and listings."""
