"""Export and import of connections. `docs/bundles.md` describes the file and what becomes of it.

`exporting` makes a file, `imports` keeps one that somebody imports, `document` reads what is in
it, `preview` says what would happen, `applying` does it, `foreign` reads what others export.
"""
