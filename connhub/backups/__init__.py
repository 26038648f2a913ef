"""Backups of everything that ConnHub keeps in its database, and their return.

Sealed secrets stay sealed: without the key ring, which is never part of it, a backup opens nothing.
"""
