"""Reading `page` and `per_page` from a query string and cutting a query accordingly."""

LARGEST_PAGE = 100


def read_page(args):
    page = int(args.get("page", 1))
    per_page = int(args.get("per_page", 20))
    return max(page, 1), min(max(per_page, 1), LARGEST_PAGE)


def paginate(query, args):
    page, per_page = read_page(args)
    return query.limit(per_page).offset((page - 1) * per_page)
