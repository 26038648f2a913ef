"""The only door to the outside: guarded HTTP and TCP, time limits, size limits."""
