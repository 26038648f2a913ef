import pytest

from connhub.services import operations
from connhub.services.models import Operation
from connhub.services.operations import operations_of
from tests.factories import ServiceFactory


def only(operation: dict, path: str = "/x", item: dict | None = None, **document) -> dict:
    """What is read of the one operation of a document."""
    raw = {"paths": {path: {"post": operation} | (item or {})}} | document
    [found] = operations_of(raw)
    return found


def parameter(name: str, place: str, *, required: bool = False, about: str = "") -> dict:
    return {"name": name, "in": place, "required": required, "about": about}


def test_parameters_of_the_path_and_of_the_operation_are_read():
    shared = {"name": "limit", "in": "query", "description": "How many"}
    found = only(
        {"parameters": [{"name": "page", "in": "query", "required": True}]},
        "/pets/{id}",
        {"parameters": [shared]},
    )

    assert found["parameters"] == [
        parameter("id", "path", required=True),
        parameter("limit", "query", about="How many"),
        parameter("page", "query", required=True),
    ]


def test_a_parameter_of_the_operation_replaces_one_of_its_path():
    of_path = {"parameters": [{"name": "limit", "in": "query", "required": True}]}
    found = only({"parameters": [{"name": "limit", "in": "query"}]}, "/pets", of_path)

    assert found["parameters"] == [parameter("limit", "query")]


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#/components/parameters/Limit", ["limit"]),
        ("#/components/parameters/again~1and~0again", ["limit"]),
        ("#/components/parameters/Loop", []),
        ("#/components/parameters/Missing", []),
        ("#", []),
        ("#/", []),
    ],
)
def test_references_within_the_document_are_followed(reference, found):
    kept = {
        "Limit": {"name": "limit", "in": "query"},
        "again/and~again": {"$ref": "#/components/parameters/Limit"},
        "Loop": {"$ref": "#/components/parameters/Loop"},
    }
    read = only({"parameters": [{"$ref": reference}]}, components={"parameters": kept})

    assert [each["name"] for each in read["parameters"]] == found


@pytest.mark.parametrize(
    "strange",
    [
        {"name": "sid", "in": "cookie"},
        {"name": "Authorization", "in": "header"},
        {"name": "Bad Header", "in": "header"},
        {"name": "elsewhere", "in": "path"},
        {"name": "", "in": "query"},
        {"name": "a\nb", "in": "query"},
        {"name": "x" * 101, "in": "query"},
        {"name": 7, "in": "query"},
        {"in": "query"},
        "no object",
        None,
    ],
)
def test_what_a_call_can_not_be_given_is_left_out(strange):
    assert only({"parameters": [strange]})["parameters"] == []


def test_parameters_that_are_no_list_are_left_out():
    assert only({"parameters": {"limit": 1}})["parameters"] == []


@pytest.mark.parametrize(
    ("types", "chosen"),
    [
        (["application/xml", "application/json"], "application/json"),
        (["application/xml", "application/vnd.acme+json"], "application/vnd.acme+json"),
        (["text/plain", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"),
        (["application/json; charset=utf-8"], "application/json"),
        (["multipart/form-data"], "multipart/form-data"),
        (["nonsense"], "multipart/form-data"),
    ],
)
def test_the_media_type_that_is_easiest_to_type_is_chosen(types, chosen):
    found = only({"requestBody": {"required": True, "content": {name: {} for name in types}}})

    assert (found["body_type"], found["body_required"]) == (chosen, True)


def test_a_body_may_be_kept_among_the_components():
    body = {"content": {"application/json": {}}}
    found = only(
        {"requestBody": {"$ref": "#/components/requestBodies/Pet"}},
        components={"requestBodies": {"Pet": body}},
    )

    assert (found["body_type"], found["body_required"]) == ("application/json", False)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ({"parameters": [{"name": "b", "in": "body", "required": True}]}, "application/json"),
        ({"parameters": [{"name": "b", "in": "body"}], "consumes": ["text/csv"]}, "text/csv"),
        (
            {"parameters": [{"name": "f", "in": "formData"}]},
            "application/x-www-form-urlencoded",
        ),
        ({"parameters": [{"name": "f", "in": "formData", "type": "file"}]}, "multipart/form-data"),
        ({}, ""),
    ],
)
def test_a_body_of_version_2_is_read(operation, body):
    found = only(operation)

    assert (found["body_type"], found["parameters"]) == (body, [])


def test_words_are_left_out_where_there_are_too_many_of_them(monkeypatch):
    monkeypatch.setattr(operations, "MAX_WORDS", 10)
    found = only({"parameters": [{"name": "a", "in": "query", "description": "x" * 11}]})

    assert found["parameters"] == [parameter("a", "query")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("invoice", ["GET /invoices", "POST /invoices"]),
        ("post", ["POST /invoices"]),
        ("list invoices", ["GET /invoices"]),
        ("addInvoice", ["POST /invoices"]),
        ("%", []),
        ("nothing", []),
    ],
)
def test_operations_are_found_by_every_word(text, found):
    service = ServiceFactory()
    for method, path, summary, name in (
        ("GET", "/invoices", "List invoices", "list"),
        ("POST", "/invoices", "Add one", "addInvoice"),
        ("GET", "/pets", "", ""),
    ):
        service.operations.create(method=method, path=path, summary=summary, operation_id=name)

    assert [str(each) for each in Operation.objects.matching(text)] == found
