"""Rate limits of the runtime API, one count for all processes.

A process takes leave for some calls at a time from the count that all share, and asks again while
it still has some: a call hardly ever waits for it. The shared count is in Redis, or else in the
database. While it can't be reached, each process counts for itself.
"""
