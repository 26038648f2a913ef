"""A call over a connection: what of it may go out, what is added, what must not come back."""
