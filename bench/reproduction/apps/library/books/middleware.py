"""Finds out which branch of the library is asked."""

BRANCHES = {"north": 1, "south": 2}


class BranchMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.branch = BRANCHES[request.headers.get("X-Branch", "north")]
        return self.get_response(request)
