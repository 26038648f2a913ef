"""The admin API: what people do with connections on pages, programs do here by an admin token."""
