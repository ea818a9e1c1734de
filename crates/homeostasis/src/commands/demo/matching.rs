//! Which bug of the model an incident is: by exception, file and function, and by route where several share these.

use super::model::{Bug, Model};
use homeostasis_domain::Incident;

/// The bug that shows itself in this incident; none for a failure that the model does not know.
pub(super) fn bug_of<'a>(model: &'a Model, incident: &Incident) -> Option<&'a Bug> {
    let exception = exception(&incident.title);
    let (function, file) = place(&incident.culprit)?;
    let alike: Vec<&Bug> = model
        .bugs
        .iter()
        .filter(|bug| {
            last(&bug.sick.exception, ".") == exception
                && file == bug.sick.file
                && last(&bug.sick.function, ".") == function
        })
        .collect();
    match alike[..] {
        [] => None,
        [only] => Some(only),
        [..] => {
            let route = incident.route.as_deref()?;
            alike
                .into_iter()
                .find(|bug| on_route(&bug.request.method, &bug.request.path, route))
        }
    }
}

/// `pkg.errors.InvariantError: message` to `InvariantError`.
fn exception(title: &str) -> &str {
    last(title.split(": ").next().unwrap_or(title), ".")
}

/// `Store.add in shop/store.py` to `add` and `shop/store.py`.
fn place(culprit: &str) -> Option<(&str, &str)> {
    let (function, file) = culprit.rsplit_once(" in ")?;
    Some((last(function, "."), file))
}

/// Whether a request is one of a route, whose changing segments are stars or names in brackets.
fn on_route(method: &str, path: &str, route: &str) -> bool {
    let Some((route_method, pattern)) = route.split_once(' ') else {
        return false;
    };
    let path = path.split('?').next().unwrap_or(path);
    let (path, pattern): (Vec<_>, Vec<_>) =
        (path.split('/').collect(), pattern.split('/').collect());
    let changing = |segment: &str| segment == "*" || segment.starts_with(['<', '{', ':']);
    method == route_method
        && path.len() == pattern.len()
        && path
            .iter()
            .zip(&pattern)
            .all(|(part, segment)| part == segment || changing(segment))
}

fn last<'a>(text: &'a str, separator: &str) -> &'a str {
    text.rsplit(separator).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let bug = |id: &str, path: &str, function: &str| {
            format!(
                r#"
                [[bug]]
                id = "{id}"
                class = "data.missing_key"
                must = "refuse"
                why = "x"
                request = {{ method = "GET", path = "{path}" }}
                sick = {{ status = 500, exception = "KeyError", file = "app/store.py", function = "{function}" }}
                "#
            )
        };
        let bugs = [
            bug("one", "/a/1?x=2", "get"),
            bug("two", "/b/1", "get"),
            bug("three", "/c", "put"),
        ]
        .concat();
        let healthy = r#"
            [[healthy]]
            id = "look"
            weight = 1
            request = { method = "GET", path = "/" }
            expect = { status = [200] }
        "#;
        Model::read(&bugs, healthy).unwrap()
    }

    fn found(title: &str, culprit: &str, route: Option<&str>) -> Option<String> {
        let incident: Incident = serde_json::from_value(serde_json::json!({
            "id": "i", "service": "s", "environment": "e", "fingerprint": "f", "title": title, "culprit": culprit,
            "route": route, "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z", "count": 1,
        }))
        .unwrap();
        bug_of(&model(), &incident).map(|bug| bug.id.clone())
    }

    #[test]
    fn an_incident_is_found_by_exception_file_and_function() {
        assert_eq!(
            found("KeyError: 'x: y'", "Store.put in app/store.py", None).as_deref(),
            Some("three")
        );
        assert_eq!(
            found("app.errors.KeyError", "put in app/store.py", None).as_deref(),
            Some("three")
        );
    }

    #[test]
    fn the_route_tells_bugs_apart_that_fail_in_the_same_function() {
        assert_eq!(
            found("KeyError: 1", "get in app/store.py", Some("GET /a/*")).as_deref(),
            Some("one")
        );
        assert_eq!(
            found("KeyError: 1", "get in app/store.py", Some("GET /b/{id}")).as_deref(),
            Some("two")
        );
        assert_eq!(
            found("KeyError: 1", "get in app/store.py", Some("POST /b/{id}")),
            None
        );
        assert_eq!(found("KeyError: 1", "get in app/store.py", None), None);
    }

    #[test]
    fn another_failure_in_the_same_place_is_not_the_bug() {
        assert_eq!(found("TypeError: 'x'", "put in app/store.py", None), None);
        assert_eq!(found("KeyError: 'x'", "put in app/other.py", None), None);
        assert_eq!(found("KeyError: 'x'", "app/store.py", None), None);
    }
}
