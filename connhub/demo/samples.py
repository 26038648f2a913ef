"""The people, contacts and orders of Acme Cloud. All invented, and the same at every start."""

from datetime import date, timedelta
from itertools import cycle, islice

PEOPLE = {
    "nora": {
        "name": "Nora Lindqvist",
        "email": "nora@acme-cloud.example",
        "job": "Head of Sales",
    },
    "tomas": {
        "name": "Tomás Herrera",
        "email": "tomas@acme-cloud.example",
        "job": "Operations",
    },
    "yuki": {
        "name": "Yuki Tanabe",
        "email": "yuki@acme-cloud.example",
        "job": "Customer Support",
    },
}

# fmt: off
_FIRST = (
    "Amara", "Björn", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Imani", "Jonas",
    "Katya", "Liam", "Mei", "Noah", "Olivia", "Pedro", "Quinn", "Rosa", "Samir", "Thea",
    "Ulrike", "Viktor", "Wanda", "Zoe",
)
_LAST = (
    "Okafor", "Strand", "Romano", "Petrov", "Aydin", "Haddad", "Vogel", "Martin", "Mwangi",
    "Keller", "Novak",
)
# fmt: on
_COMPANIES = (
    ("Brightside Energy", "brightside.example"),
    ("Cobalt Freight", "cobaltfreight.example"),
    ("Delta Orchard", "deltaorchard.example"),
    ("Fjord Analytics", "fjord.example"),
    ("Harbour & Sons", "harbour.example"),
    ("Kite Robotics", "kite.example"),
    ("Meadow Health", "meadow.example"),
)
_GOODS = (
    ("Standing desk", 489_00),
    ("Desk lamp", 64_50),
    ("Meeting table", 1_190_00),
    ("Office chair", 329_00),
    ("Whiteboard", 158_90),
)
_STATUSES = ("paid", "shipped", "paid", "delivered", "open", "delivered", "refunded")
_FIRST_ORDER_ON = date(2026, 3, 2)


def contacts() -> list[dict]:
    """48 contacts, numbered from 1."""
    people = zip(cycle(_FIRST), cycle(_LAST), cycle(_COMPANIES), strict=False)
    return [
        {
            "id": number,
            "name": f"{first} {last}",
            "email": f"{_ascii(first)}.{_ascii(last)}@{domain}",
            "company": company,
        }
        for number, (first, last, (company, domain)) in enumerate(islice(people, 48), 1)
    ]


def orders() -> list[dict]:
    """36 orders of those contacts, the newest first; amounts in cents."""
    return [_order(number) for number in range(36, 0, -1)]


def _order(number: int) -> dict:
    (goods, price), quantity = _GOODS[number % len(_GOODS)], 1 + number * 7 % 4
    return {
        "id": f"A-{1000 + number}",
        "contact_id": 1 + number * 11 % 48,
        "ordered_on": (_FIRST_ORDER_ON + timedelta(days=number * 5 + number % 3)).isoformat(),
        "item": goods,
        "quantity": quantity,
        "total_cents": price * quantity,
        "currency": "EUR",
        "status": _STATUSES[number % len(_STATUSES)],
    }


def _ascii(name: str) -> str:
    return name.lower().replace("ö", "oe")
