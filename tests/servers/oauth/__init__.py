"""An OAuth 2.0 authorization server that is not ours: django-oauth-toolkit in a project of its own.

`OAuthServer` (in `tests.servers.oauth_server`) is how tests start it and talk to it.
"""
