//! Edits that cure and edits that hide, told apart by their text.

use homeostasis_domain::FileEdit;
use homeostasis_validate::compare_structure;

/// The codes of all findings; a `?` marks what may be excused by what runs show.
fn codes(old: &str, new: &str) -> Vec<String> {
    let mut codes: Vec<String> = compare_structure(&FileEdit::new("/srv/app.py", old, new))
        .into_iter()
        .map(|finding| format!("{}{}", finding.code, if finding.weak { "?" } else { "" }))
        .collect();
    codes.sort();
    codes.dedup();
    codes
}

fn hides(code: &str, old: &str, new: &str) {
    let found = codes(old, new);
    assert!(
        found.iter().any(|one| one.trim_end_matches('?') == code),
        "expected {code}, found {found:?} for\n{new}"
    );
}

fn cures(old: &str, new: &str) {
    assert_eq!(codes(old, new), Vec::<String>::new(), "for\n{new}");
}

const ORDER: &str = "\
@app.post('/orders')
def create(data):
    order = Order(sku=data['sku'], quantity=int(data['quantity']))
    if order.quantity > 100:
        raise TooMany(order)
    order.total = price(order) * order.quantity
    db.session.add(order)
    db.session.commit()
    notify(order)
    return jsonify(order.to_dict()), 201
";

#[test]
fn a_handler_that_swallows_is_refused() {
    let new = ORDER.replace(
        "    notify(order)\n",
        "    try:\n        notify(order)\n    except Exception:\n        pass\n",
    );
    hides("silencing.swallowed", ORDER, &new);
    let new = ORDER.replace(
        "    notify(order)\n",
        "    try:\n        notify(order)\n    except KeyError as error:\n        logger.warning('%s', error)\n",
    );
    hides("silencing.swallowed", ORDER, &new);
    let new = ORDER.replace(
        "    order.total = price(order) * order.quantity\n",
        "    try:\n        order.total = price(order) * order.quantity\n    except TypeError:\n        order.total = 0\n",
    );
    hides("silencing.swallowed", ORDER, &new);
}

#[test]
fn a_handler_that_tells_the_client_or_throws_on_is_a_cure() {
    for body in [
        "abort(400, 'quantity must be a number')",
        "return jsonify(error='quantity must be a number'), 422",
        "raise HTTPException(status_code=422, detail='quantity')",
        "raise BadRequest('quantity') from None",
        "return JSONResponse({'error': 'quantity'}, status_code=400)",
        "return make_response('quantity', 400)",
        "return Response('quantity', status=400)",
        "return {'error': 'quantity'}, 400",
        "return HttpResponseBadRequest('quantity')",
    ] {
        let new = ORDER.replace(
            "    order = Order(sku=data['sku'], quantity=int(data['quantity']))\n",
            &format!("    try:\n        quantity = int(data['quantity'])\n    except ValueError:\n        {body}\n    order = Order(sku=data['sku'], quantity=quantity)\n"),
        );
        cures(ORDER, &new);
    }
}

#[test]
fn a_handler_that_tells_the_client_only_sometimes_is_refused() {
    let new = ORDER.replace(
        "    notify(order)\n",
        "    try:\n        notify(order)\n    except KeyError:\n        if strict:\n            abort(400)\n",
    );
    hides("silencing.swallowed", ORDER, &new);
    let new = ORDER.replace(
        "    notify(order)\n",
        "    try:\n        notify(order)\n    except KeyError:\n        return jsonify({}), 200\n",
    );
    hides("silencing.swallowed", ORDER, &new);
}

#[test]
fn a_widened_handler_is_refused() {
    let old = "def f(d):\n    try:\n        work(d)\n    except KeyError:\n        log(d)\n";
    hides(
        "silencing.swallowed",
        old,
        &old.replace("KeyError", "(KeyError, TypeError)"),
    );
    hides("silencing.swallowed", old, &old.replace(" KeyError", ""));
}

#[test]
fn suppressing_is_refused() {
    let new = ORDER.replace(
        "    notify(order)\n",
        "    with contextlib.suppress(KeyError):\n        notify(order)\n",
    );
    hides("silencing.suppressed", ORDER, &new);
}

#[test]
fn a_guard_around_work_is_refused() {
    let new = ORDER.replace(
        "    db.session.add(order)\n    db.session.commit()\n",
        "    if order.total is not None:\n        db.session.add(order)\n        db.session.commit()\n",
    );
    hides("silencing.skips_work", ORDER, &new);
    let new = ORDER.replace(
        "    notify(order)\n",
        "    if order.customer:\n        notify(order)\n",
    );
    hides("silencing.skips_work", ORDER, &new);
    let new = ORDER.replace(
        "    notify(order)\n",
        "    order.customer and notify(order)\n",
    );
    hides("silencing.skips_work", ORDER, &new);
    let new = ORDER.replace(
        "    notify(order)\n",
        "    notify(order) if order.customer else None\n",
    );
    hides("silencing.skips_work", ORDER, &new);
}

#[test]
fn an_early_way_out_past_work_is_refused_unless_it_tells_the_client() {
    let at = "    db.session.add(order)\n";
    let guard = |body: &str| {
        ORDER.replace(
            at,
            &format!("    if order.total is None:\n        {body}\n{at}"),
        )
    };
    hides(
        "silencing.skips_work",
        ORDER,
        &guard("return jsonify({}), 200"),
    );
    hides("silencing.skips_work", ORDER, &guard("return"));
    hides("silencing.skips_work", ORDER, &guard("return None"));
    cures(ORDER, &guard("return jsonify(error='no price'), 422"));
    cures(ORDER, &guard("abort(422)"));
    cures(ORDER, &guard("raise HTTPException(422)"));
}

#[test]
fn skipping_an_element_of_a_loop_is_refused() {
    let old = "\
def total(lines):
    total = 0
    for line in lines:
        total += line.price * line.quantity
    return total
";
    let new = old.replace(
        "        total +=",
        "        if line.price is None:\n            continue\n        total +=",
    );
    hides("silencing.skips_work", old, &new);
    let new = old.replace(
        "        total += line.price * line.quantity\n",
        "        if line.price is not None:\n            total += line.price * line.quantity\n",
    );
    hides("silencing.skips_work", old, &new);
    let new = old.replace(
        "        total +=",
        "        if line.price is None:\n            break\n        total +=",
    );
    hides("silencing.skips_work", old, &new);
}

#[test]
fn a_default_for_a_value_that_is_only_computed_is_a_cure() {
    let old = "\
def average(items):
    total = sum(item['price'] for item in items)
    return total / len(items)
";
    cures(
        old,
        &old.replace(
            "    return",
            "    if not items:\n        return 0\n    return",
        ),
    );
    cures(old, &old.replace("item['price']", "item.get('price', 0)"));
    cures(
        old,
        &old.replace("total / len(items)", "total / len(items) if items else 0"),
    );
    let old = "def name(user):\n    return user.profile.name.title()\n";
    cures(
        old,
        &old.replace(
            "user.profile.name.title()",
            "user.profile.name.title() if user.profile else ''",
        ),
    );
    let old = "def first(names):\n    return names[0]\n";
    cures(old, &old.replace("names[0]", "names[0] if names else None"));
}

#[test]
fn what_may_be_mere_reading_is_left_to_the_runs() {
    let old = "def show(user):\n    orders = orders_of(user)\n    return jsonify(orders)\n";
    let new = old.replace(
        "    orders =",
        "    if user is None:\n        return jsonify([])\n    orders =",
    );
    assert_eq!(codes(old, &new), ["silencing.skips_work?"]);
}

#[test]
fn the_same_work_with_another_value_is_a_cure() {
    let old = "def put(order, n):\n    order.share = order.total / n\n    db.session.commit()\n";
    let new = old.replace(
        "    order.share = order.total / n\n",
        "    if n:\n        order.share = order.total / n\n    else:\n        order.share = 0\n",
    );
    cures(old, &new);
}

#[test]
fn work_checks_and_conditions_that_are_taken_away_are_refused() {
    hides(
        "silencing.removed",
        ORDER,
        &ORDER.replace("    notify(order)\n", ""),
    );
    hides(
        "silencing.removed",
        ORDER,
        &ORDER.replace("    db.session.commit()\n", ""),
    );
    hides(
        "silencing.removed",
        ORDER,
        &ORDER.replace(
            "    if order.quantity > 100:\n        raise TooMany(order)\n",
            "",
        ),
    );
    hides(
        "silencing.removed",
        ORDER,
        &ORDER.replace("@app.post('/orders')\n", ""),
    );
    hides(
        "silencing.removed",
        ORDER,
        &ORDER.replace(
            "    order.total = price(order) * order.quantity\n",
            "    total = 0\n",
        ),
    );
    hides(
        "silencing.condition",
        ORDER,
        &ORDER.replace("> 100", "> 1000"),
    );
    hides(
        "silencing.condition",
        ORDER,
        &ORDER.replace("> 100", ">= 100"),
    );
    let old = "def remove(user, item):\n    if user.is_admin:\n        delete(item)\n";
    hides(
        "silencing.condition",
        old,
        "def remove(user, item):\n    delete(item)\n",
    );
    let old = "def f(x):\n    assert x > 0\n    return g(x)\n";
    hides("silencing.removed", old, "def f(x):\n    return g(x)\n");
    hides(
        "silencing.removed",
        "def f():\n    save()\n\ndef g():\n    pass\n",
        "def g():\n    pass\n",
    );
}

#[test]
fn a_condition_with_one_more_part_in_front_of_work_is_refused() {
    let old = "def pay(order):\n    if order.total > 0:\n        charge(order)\n    return order\n";
    hides(
        "silencing.condition",
        old,
        &old.replace(
            "if order.total > 0",
            "if order.total is not None and order.total > 0",
        ),
    );
    cures(
        old,
        &old.replace("order.total > 0", "(order.total or 0) > 0"),
    );
    let check = "def pay(order):\n    if order.total > 9:\n        raise TooMuch(order)\n    charge(order)\n";
    cures(
        check,
        &check.replace("order.total > 9", "order.total is None or order.total > 9"),
    );
}

#[test]
fn remedies_of_the_usual_kinds_are_cures() {
    cures(
        ORDER,
        &ORDER.replace("data['quantity']", "data.get('quantity', 1)"),
    );
    cures(
        ORDER,
        &ORDER.replace(
            "    order = Order(",
            "    if 'sku' not in data:\n        abort(400, 'sku is missing')\n    order = Order(",
        ),
    );
    cures(ORDER, &format!("import json\n\n{ORDER}"));
    cures(
        ORDER,
        &ORDER.replace("notify(order)", "notify(order, quiet=False)"),
    );
    let old = "def add(x, seen=[]):\n    seen.append(x)\n    return seen\n";
    cures(
        old,
        "def add(x, seen=None):\n    if seen is None:\n        seen = []\n    seen.append(x)\n    return seen\n",
    );
    let old = "def f(items):\n    for item in items:\n        last = item\n    save(last)\n";
    cures(old, &old.replace("    for", "    last = None\n    for"));
    let old = "import os\nURL = os.environ['URL']\n";
    cures(
        old,
        &old.replace(
            "os.environ['URL']",
            "os.environ.get('URL', 'http://localhost')",
        ),
    );
}

#[test]
fn what_cannot_be_parsed_is_refused() {
    hides(
        "silencing.unreadable",
        ORDER,
        &ORDER.replace("def create(data):", "def create(data:"),
    );
}

#[test]
fn taking_out_what_may_be_missing_does_what_deleting_did() {
    let old = "def public(record):\n    del record['secret']\n    return record\n";
    cures(
        old,
        "def public(record):\n    record.pop('secret', None)\n    return record\n",
    );
    hides(
        "silencing.removed",
        old,
        "def public(record):\n    return record\n",
    );
    // One that was there before stands for nothing new.
    hides(
        "silencing.removed",
        "def public(record):\n    del record['a']\n    record.pop('b')\n    return record\n",
        "def public(record):\n    record.pop('b')\n    return record\n",
    );
}
