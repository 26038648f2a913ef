"""Acme Cloud: a small OAuth 2.0 provider with made-up data, to try ConnHub on.

It knows nothing of ConnHub and no room of ConnHub knows it. `connhub.demo.provider` starts it.
"""
