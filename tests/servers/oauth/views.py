"""The protected resources: both want a bearer token with the scope `read`."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.decorators import protected_resource_metadata


@csrf_exempt
@protected_resource_metadata(scopes=["read"])
def me(request: HttpRequest) -> JsonResponse:
    """Whose token this is; no user for the client credentials grant."""
    owner = request.resource_owner
    return JsonResponse({"user": owner.username if owner else None})


@csrf_exempt
@protected_resource_metadata(scopes=["read"])
def echo(request: HttpRequest) -> JsonResponse:
    """What was asked, without the credential."""
    return JsonResponse(
        {
            "method": request.method,
            "query": request.META["QUERY_STRING"],
            "body": request.body.decode(errors="replace"),
        }
    )
