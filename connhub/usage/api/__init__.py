"""The runtime API's ordinary calls. The proxy and credentials calls are answered before Django."""
