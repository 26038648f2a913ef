"""Where every call of the admin API is added: those of one path have to share a router."""

from ninja import Router

router = Router()
