"""Input and output of the command line: errors, options, shells and the browser."""
