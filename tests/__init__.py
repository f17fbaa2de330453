"""The tests of tcptide; `worlds` holds the real sockets they run on."""
