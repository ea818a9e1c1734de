//! Reads what CPython 3.9 to 3.14 says in its error messages into a complaint; it knows texts only, no program.

use homeostasis_domain::capsule::Exception;
use homeostasis_domain::value::Value;

/// What an exception complains about, apart from where.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    /// Class of the fault when nothing else is known.
    pub class: &'static str,
    /// What to look for in the source.
    pub shape: Shape,
}

/// The syntactic form that can raise such a complaint.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `object[key]`, or a method that looks something up.
    Subscript {
        /// Type of the object, where the message tells.
        container: Option<String>,
        /// The key that was asked for.
        key: Option<Value>,
        /// Type of the key, where the message tells.
        key_type: Option<String>,
    },
    /// `object.attribute`.
    Attribute {
        /// Type of the object, or the name of the module.
        owner: Option<String>,
        /// The attribute.
        attribute: String,
        /// The owner is a module.
        module: bool,
    },
    /// A bare name.
    Name(String),
    /// A call whose arguments do not fit, or of something that cannot be called.
    Call {
        /// The function as the message names it.
        callee: Option<String>,
        /// What does not fit.
        problem: CallProblem,
    },
    /// An operator between two values, or before one.
    Operator {
        /// The operator's text; empty when unknown.
        operator: String,
        /// Type on the left.
        left: Option<String>,
        /// Type on the right.
        right: Option<String>,
    },
    /// `/`, `//`, `%`, `divmod`, `**`.
    Division,
    /// A function that makes one value from another.
    Conversion {
        /// The value that could not be taken, as the message prints it.
        text: Option<String>,
        /// The name of the function or type, where the message tells.
        to: Option<String>,
        /// The type of the value, where the message tells.
        type_name: Option<String>,
    },
    /// Something is gone through: a loop, a comprehension, a star, a function such as `list`.
    Iteration(Option<String>),
    /// Something is taken apart: `a, b = value`.
    Unpacking(Option<String>),
    /// `with value`, `await value` or another use of a whole value.
    Use(Option<String>),
    /// Whatever stands at the position.
    Anything,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum CallProblem {
    /// Parameters without a value.
    Missing(Vec<String>),
    /// More positional arguments than parameters.
    TooMany,
    /// A keyword that the function does not have.
    Unexpected(String),
    /// A parameter given twice.
    Twice(String),
    /// Another number of arguments than a built-in function takes.
    Number,
    /// The callee cannot be called; its type.
    NotCallable(String),
}

/// The exception's complaint. Types that are no builtins, and messages that no pattern knows, give `Shape::Anything`.
pub fn complaint(exception: &Exception) -> Option<Complaint> {
    let message = exception.message.as_str();
    let qualified = exception.qualified_type();
    let found = match qualified.as_str() {
        "KeyError" => key_error(exception),
        "IndexError" => index_error(message),
        "AttributeError" | "dataclasses.FrozenInstanceError" => attribute_error(exception),
        "NameError" | "UnboundLocalError" => name_error(exception),
        "ZeroDivisionError" | "decimal.DivisionByZero" | "decimal.DivisionUndefined" => {
            Complaint::new("arithmetic.division_by_zero", Shape::Division)
        }
        "decimal.InvalidOperation" => decimal_error(exception),
        "OverflowError" | "decimal.Overflow" => {
            Complaint::new("arithmetic.overflow", Shape::Anything)
        }
        "TypeError" => type_error(message),
        "ValueError" => value_error(message),
        "UnicodeDecodeError" | "UnicodeEncodeError" => conversion("data.parse", None, None),
        "json.decoder.JSONDecodeError"
        | "binascii.Error"
        | "csv.Error"
        | "xml.etree.ElementTree.ParseError"
        | "configparser.ParsingError"
        | "zlib.error"
        | "tomllib.TOMLDecodeError"
        | "zipfile.BadZipFile" => conversion("data.parse", None, None),
        "zoneinfo._common.ZoneInfoNotFoundError" | "zoneinfo.ZoneInfoNotFoundError" => {
            conversion("data.parse", text_argument(exception), None)
        }
        "werkzeug.exceptions.BadRequestKeyError" => Complaint::new(
            "input.validation",
            Shape::Subscript {
                container: None,
                key: exception.attributes.get("args").and_then(first_item),
                key_type: None,
            },
        ),
        "werkzeug.exceptions.UnsupportedMediaType"
        | "werkzeug.exceptions.BadRequest"
        | "fastapi.exceptions.RequestValidationError"
        | "starlette.requests.ClientDisconnect" => {
            Complaint::new("input.validation", Shape::Anything)
        }
        "pydantic_core._pydantic_core.ValidationError"
        | "pydantic.error_wrappers.ValidationError"
        | "fastapi.exceptions.ResponseValidationError"
        | "marshmallow.exceptions.ValidationError" => conversion("data.validation", None, None),
        "statistics.StatisticsError" => Complaint::new("data.empty", argument_of(None)),
        "StopIteration" => conversion("data.empty", None, Some("next")),
        "StopAsyncIteration" => conversion("data.empty", None, Some("anext")),
        _ if matches!(
            exception.type_name.as_str(),
            "NoResultFound" | "DoesNotExist" | "MultipleResultsFound" | "ObjectDoesNotExist"
        ) =>
        {
            Complaint::new("data.missing_element", Shape::Anything)
        }
        "RuntimeError" => runtime_error(message)?,
        "RecursionError" => Complaint::new("resource.stack", Shape::Anything),
        "NotImplementedError" => Complaint::new("logic.unhandled_case", Shape::Anything),
        "LookupError" => Complaint::new("logic.unhandled_case", Shape::Anything),
        _ => return None,
    };
    Some(found)
}

impl Complaint {
    fn new(class: &'static str, shape: Shape) -> Self {
        Self { class, shape }
    }
}

fn conversion(class: &'static str, text: Option<String>, to: Option<&str>) -> Complaint {
    Complaint::new(
        class,
        Shape::Conversion {
            text,
            to: to.map(str::to_string),
            type_name: None,
        },
    )
}

/// A call one of whose arguments has this type.
fn argument_of(type_name: Option<&str>) -> Shape {
    Shape::Conversion {
        text: None,
        to: None,
        type_name: type_name.map(str::to_string),
    }
}

fn text_argument(exception: &Exception) -> Option<String> {
    first_item(exception.attributes.get("args")?)?
        .as_str()
        .map(str::to_string)
}

fn first_item(value: &Value) -> Option<Value> {
    match value {
        Value::Tuple { items, .. } | Value::List { items, .. } => items.first().cloned(),
        _ => None,
    }
}

fn key_error(exception: &Exception) -> Complaint {
    let message = exception.message.as_str();
    if captures("{}: dictionary is empty", message).is_some()
        || captures("pop from an empty {}", message).is_some()
        || message.contains("dictionary is empty'")
        || message.contains("pop from an empty set")
    {
        return Complaint::new("data.empty", subscript(None, None));
    }
    let key = exception
        .attributes
        .get("args")
        .and_then(first_item)
        .or_else(|| printed_value(message));
    Complaint::new(
        "data.missing_key",
        Shape::Subscript {
            container: None,
            key,
            key_type: None,
        },
    )
}

fn index_error(message: &str) -> Complaint {
    if message.contains("empty sequence") {
        return Complaint::new("data.empty", argument_of(None));
    }
    let container = [
        "{} index out of range",
        "{} assignment index out of range",
        "pop from empty {}",
    ]
    .iter()
    .find_map(|pattern| captures(pattern, message))
    .map(|found| match found[0].as_str() {
        "string" => "str".to_string(),
        other => other.to_string(),
    })
    .filter(|name| {
        matches!(
            name.as_str(),
            "list" | "tuple" | "str" | "bytes" | "bytearray" | "range" | "array"
        )
    });
    Complaint::new("data.index_out_of_range", subscript(container, None))
}

fn subscript(container: Option<String>, key_type: Option<String>) -> Shape {
    Shape::Subscript {
        container,
        key: None,
        key_type,
    }
}

fn attribute_error(exception: &Exception) -> Complaint {
    let message = exception.message.as_str();
    let named = exception
        .attributes
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_string);
    for pattern in [
        "partially initialized module '{}' has no attribute '{}'",
        "module '{}' has no attribute '{}'",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Complaint::new(
                "name.missing_attribute",
                Shape::Attribute {
                    owner: Some(found[0].clone()),
                    attribute: found[1].clone(),
                    module: true,
                },
            );
        }
    }
    if let Some(found) = captures("type object '{}' has no attribute '{}'", message) {
        return Complaint::new(
            "name.missing_attribute",
            Shape::Attribute {
                owner: None,
                attribute: found[1].clone(),
                module: false,
            },
        );
    }
    for pattern in [
        "'{}' object has no attribute '{}'",
        "'{}' object attribute '{}' is read-only",
    ] {
        if let Some(found) = captures(pattern, message) {
            let class = match found[0].as_str() {
                "NoneType" => "null.dereference",
                "str" | "int" | "float" | "bool" | "bytes" | "list" | "tuple" | "dict" | "set" => {
                    "data.type_mismatch"
                }
                _ => "name.missing_attribute",
            };
            return Complaint::new(
                class,
                Shape::Attribute {
                    owner: Some(found[0].clone()),
                    attribute: found[1].clone(),
                    module: false,
                },
            );
        }
    }
    // Before 3.11 `with None` says only the name of the method it looked for.
    if matches!(
        message,
        "__enter__" | "__exit__" | "__aenter__" | "__aexit__"
    ) {
        return Complaint::new("data.type_mismatch", Shape::Use(None));
    }
    Complaint::new(
        "name.missing_attribute",
        match named {
            Some(attribute) => Shape::Attribute {
                owner: None,
                attribute,
                module: false,
            },
            None => Shape::Anything,
        },
    )
}

fn name_error(exception: &Exception) -> Complaint {
    let message = exception.message.as_str();
    const UNASSIGNED: &[&str] = &[
        "cannot access local variable '{}' where it is not associated with a value",
        "local variable '{}' referenced before assignment",
        "cannot access free variable '{}' where it is not associated with a value in enclosing scope",
        "free variable '{}' referenced before assignment in enclosing scope",
    ];
    for pattern in UNASSIGNED {
        if let Some(found) = captures(pattern, message) {
            return Complaint::new("name.unassigned", Shape::Name(found[0].clone()));
        }
    }
    let name = captures("name '{}' is not defined", message)
        .map(|found| found[0].clone())
        .or_else(|| {
            exception
                .attributes
                .get("name")
                .and_then(Value::as_str)
                .map(str::to_string)
        });
    let class = if exception.type_name == "UnboundLocalError" {
        "name.unassigned"
    } else {
        "name.undefined"
    };
    Complaint::new(class, name.map_or(Shape::Anything, Shape::Name))
}

fn decimal_error(exception: &Exception) -> Complaint {
    // The argument is a list of classes, which only the captured attributes name.
    let message = match exception.attributes.get("args") {
        Some(arguments) => format!("{} {arguments:?}", exception.message),
        None => exception.message.clone(),
    };
    if message.contains("DivisionUndefined") || message.contains("DivisionByZero") {
        Complaint::new("arithmetic.division_by_zero", Shape::Division)
    } else if message.contains("ConversionSyntax") || message.is_empty() {
        conversion("data.parse", None, Some("Decimal"))
    } else {
        Complaint::new("data.invalid_value", Shape::Anything)
    }
}

fn runtime_error(message: &str) -> Option<Complaint> {
    if message.contains("changed size during iteration")
        || message.contains("mutated during iteration")
    {
        return Some(Complaint::new(
            "data.changed_while_iterating",
            Shape::Iteration(None),
        ));
    }
    None
}

/// Uses of the absent value that count as a dereference: everything but arithmetic and conversion.
fn dereference(type_name: &str) -> &'static str {
    if type_name == "NoneType" {
        "null.dereference"
    } else {
        "data.type_mismatch"
    }
}

fn type_error(message: &str) -> Complaint {
    call_error(message)
        .or_else(|| use_error(message))
        .or_else(|| operator_error(message))
        .or_else(|| argument_error(message))
        .unwrap_or(Complaint::new("data.type_mismatch", Shape::Anything))
}

fn call_error(message: &str) -> Option<Complaint> {
    let call = |callee: &str, problem| {
        Complaint::new(
            "call.arguments",
            Shape::Call {
                callee: Some(callee.to_string()),
                problem,
            },
        )
    };
    for pattern in [
        "{}() missing {} required positional argument{}: {}",
        "{}() missing {} required keyword-only argument{}: {}",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(call(&found[0], CallProblem::Missing(quoted(&found[3]))));
        }
    }
    if let Some(found) = captures("{}() got an unexpected keyword argument '{}'", message) {
        return Some(call(&found[0], CallProblem::Unexpected(found[1].clone())));
    }
    if let Some(found) = captures("'{}' is an invalid keyword argument for {}", message) {
        let callee = found[1]
            .trim_end_matches("()")
            .trim_start_matches("this function");
        return Some(call(callee, CallProblem::Unexpected(found[0].clone())));
    }
    if let Some(found) =
        captures("{}() got multiple values for argument '{}'", message).or_else(|| {
            captures(
                "{}() got multiple values for keyword argument '{}'",
                message,
            )
        })
    {
        return Some(call(&found[0], CallProblem::Twice(found[1].clone())));
    }
    for pattern in [
        "{}() takes {} positional argument{} but {} given",
        "{}() takes from {} positional argument{} but {} given",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(call(&found[0], CallProblem::TooMany));
        }
    }
    for pattern in [
        "{}() takes no arguments",
        "{}() takes no keyword arguments",
        "{}() takes exactly {} argument{} ({} given)",
        "{}() takes at most {} argument{} ({} given)",
        "{}() takes at least {} argument{} ({} given)",
        "{} expected at most {} argument{}, got {}",
        "{} expected at least {} argument{}, got {}",
        "{} expected {} argument{}, got {}",
        "{}() got some positional-only arguments passed as keyword arguments: {}",
        "{}() missing required argument {}",
    ] {
        if let Some(found) = captures(pattern, message)
            && !found[0].contains(' ')
        {
            return Some(call(&found[0], CallProblem::Number));
        }
    }
    let found = captures("'{}' object is not callable", message)?;
    Some(Complaint::new(
        dereference(&found[0]),
        Shape::Call {
            callee: None,
            problem: CallProblem::NotCallable(found[0].clone()),
        },
    ))
}

fn use_error(message: &str) -> Option<Complaint> {
    for pattern in [
        "'{}' object is not subscriptable",
        "'{}' object does not support item assignment",
        "'{}' object does not support item deletion",
        "'{}' object doesn't support item deletion",
        "'{}' object doesn't support item assignment",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(Complaint::new(
                dereference(&found[0]),
                subscript(Some(found[0].clone()), None),
            ));
        }
    }
    for pattern in [
        "'{}' object is not iterable",
        "'{}' object is not an iterator",
        "'{}' object is not reversible",
        "'async for' requires an object with __aiter__ method, got {}",
        "Value after * must be an iterable, not {}",
        "{} argument after * must be an iterable, not {}",
        "'{}' object is not a mapping",
        "{} argument after ** must be a mapping, not {}",
        "object of type '{}' has no len()",
    ] {
        if let Some(found) = captures(pattern, message) {
            let type_name = found.last().cloned().unwrap_or_default();
            return Some(Complaint::new(
                dereference(&type_name),
                Shape::Iteration(Some(type_name)),
            ));
        }
    }
    for pattern in [
        "argument of type '{}' is not iterable",
        "argument of type '{}' is not a container or iterable",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(Complaint::new(
                dereference(&found[0]),
                Shape::Operator {
                    operator: "in".into(),
                    left: None,
                    right: Some(found[0].clone()),
                },
            ));
        }
    }
    if let Some(found) = captures("cannot unpack non-iterable {} object", message) {
        return Some(Complaint::new(
            dereference(&found[0]),
            Shape::Unpacking(Some(found[0].clone())),
        ));
    }
    for pattern in [
        "'{}' object does not support the context manager protocol",
        "'{}' object does not support the asynchronous context manager protocol",
        "object {} can't be used in 'await' expression",
        "'{}' object can't be awaited",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(Complaint::new(
                dereference(&found[0]),
                Shape::Use(Some(found[0].clone())),
            ));
        }
    }
    let (container, key_type) =
        if let Some(found) = captures("{} indices must be integers or slices, not {}", message) {
            (found[0].clone(), Some(found[1].clone()))
        } else if let Some(found) = captures("string indices must be integers, not '{}'", message) {
            ("string".to_string(), Some(found[0].clone()))
        } else if message.starts_with("string indices must be integers") {
            ("string".to_string(), None)
        } else {
            return None;
        };
    let container = match container.as_str() {
        "string" => "str".to_string(),
        "byte" => "bytes".to_string(),
        other => other.to_string(),
    };
    Some(Complaint::new(
        "data.type_mismatch",
        subscript(
            Some(container),
            key_type.map(|name| name.trim_matches('\'').to_string()),
        ),
    ))
}

fn operator_error(message: &str) -> Option<Complaint> {
    let operator = |operator: &str, left: Option<String>, right: Option<String>| {
        Complaint::new(
            "data.type_mismatch",
            Shape::Operator {
                operator: operator.to_string(),
                left,
                right,
            },
        )
    };
    if let Some(found) = captures("unsupported operand type(s) for {}: '{}' and '{}'", message) {
        let sign = found[0].split(' ').next().unwrap_or_default().to_string();
        return Some(operator(
            &sign,
            Some(found[1].clone()),
            Some(found[2].clone()),
        ));
    }
    if let Some(found) = captures(
        "'{}' not supported between instances of '{}' and '{}'",
        message,
    ) {
        return Some(operator(
            &found[0],
            Some(found[1].clone()),
            Some(found[2].clone()),
        ));
    }
    if let Some(found) = captures("can only concatenate {} (not \"{}\") to {}", message) {
        return Some(operator(
            "+",
            Some(found[0].clone()),
            Some(found[1].clone()),
        ));
    }
    if let Some(found) = captures("can't concat {} to {}", message) {
        return Some(operator(
            "+",
            Some(found[1].clone()),
            Some(found[0].clone()),
        ));
    }
    if let Some(found) = captures("can't multiply sequence by non-int of type '{}'", message) {
        return Some(operator("*", None, Some(found[0].clone())));
    }
    if let Some(found) = captures("bad operand type for unary {}: '{}'", message) {
        return Some(operator(&found[0], None, Some(found[1].clone())));
    }
    if let Some(found) = captures(
        "'in <string>' requires string as left operand, not {}",
        message,
    ) {
        return Some(operator("in", Some(found[0].clone()), Some("str".into())));
    }
    if message.contains("offset-naive and offset-aware") {
        let sign = if message.contains("subtract") {
            "-"
        } else {
            ""
        };
        return Some(operator(sign, None, None));
    }
    if message.starts_with("not all arguments converted during string formatting")
        || message.starts_with("not enough arguments for format string")
        || captures("%{} format: {} number is required, not {}", message).is_some()
    {
        return Some(operator("%", Some("str".into()), None));
    }
    None
}

fn argument_error(message: &str) -> Option<Complaint> {
    for pattern in [
        "cannot use '{}' as a dict key (unhashable type: {}",
        "cannot use '{}' as a set element (unhashable type: {}",
        "unhashable type: '{}'",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(Complaint::new(
                "data.type_mismatch",
                subscript(None, Some(found[0].clone())),
            ));
        }
    }
    const CONVERSIONS: &[&str] = &[
        "{}() argument must be {}, not '{}'",
        "{}() argument must be {}, not {}",
        "{}() argument {} must be {}, not {}",
        "{}() first argument must be {}, not {}",
        "{}: argument must be {}, not {}",
    ];
    for pattern in CONVERSIONS {
        if let Some(found) = captures(pattern, message)
            && !found[0].contains(' ')
        {
            return Some(Complaint::new(
                "data.type_mismatch",
                Shape::Conversion {
                    text: None,
                    to: Some(found[0].clone()),
                    type_name: found.last().cloned(),
                },
            ));
        }
    }
    for pattern in [
        "the JSON object must be str, bytes or bytearray, not {}",
        "expected str, bytes or os.PathLike object, not {}",
        "sequence item {}: expected str instance, {} found",
        "'{}' object cannot be interpreted as an integer",
        "Object of type {} is not JSON serializable",
        "conversion from {} to Decimal is not supported",
        "a bytes-like object is required, not '{}'",
        "must be real number, not {}",
        "must be str, not {}",
        "expected string or bytes-like object, got '{}'",
        "type {} doesn't define __round__ method",
        "unsupported format string passed to {}.__format__",
        "bad operand type for abs(): '{}'",
        "replace() argument {} must be str, not {}",
        "an integer is required (got type {})",
        "expected {}, got '{}'",
        "argument {} must be str, not {}",
        "{} object expected, got {}",
        "descriptor {} for '{}' objects doesn't apply to a '{}' object",
    ] {
        if let Some(found) = captures(pattern, message) {
            return Some(Complaint::new(
                "data.type_mismatch",
                argument_of(found.last().map(String::as_str)),
            ));
        }
    }
    if let Some(found) = captures("{}: argument must be str", message)
        && !found[0].contains(' ')
    {
        return Some(conversion("data.type_mismatch", None, Some(&found[0])));
    }
    if message.starts_with("expected string or bytes-like object")
        || message == "can only join an iterable"
    {
        return Some(Complaint::new("data.type_mismatch", argument_of(None)));
    }
    None
}

fn value_error(message: &str) -> Complaint {
    if let Some(found) = captures("invalid literal for int() with base {}: {}", message) {
        return conversion("data.parse", Some(found[1].clone()), Some("int"));
    }
    for (pattern, to) in [
        ("could not convert string to float: {}", "float"),
        ("Invalid isoformat string: {}", "fromisoformat"),
        ("time data {} does not match format {}", "strptime"),
    ] {
        if let Some(found) = captures(pattern, message) {
            return conversion("data.parse", Some(found[0].clone()), Some(to));
        }
    }
    for (start, to) in [
        ("unconverted data remains", Some("strptime")),
        ("badly formed hexadecimal UUID string", Some("UUID")),
        ("complex() arg is a malformed string", Some("complex")),
        ("non-hexadecimal number found in fromhex", Some("fromhex")),
        ("Exceeds the limit", Some("int")),
        ("embedded null", None),
        ("Unknown format code", None),
        ("invalid mode", None),
        ("malformed node or string", Some("literal_eval")),
        ("unknown url type", None),
        ("Invalid IPv6 URL", None),
        ("Invalid control character", None),
        ("Invalid base64-encoded string", None),
    ] {
        if message.starts_with(start) {
            return conversion("data.parse", None, to);
        }
    }
    for pattern in [
        "not enough values to unpack ({}",
        "too many values to unpack ({}",
        "need more than {} to unpack",
    ] {
        if captures(pattern, message).is_some() {
            return Complaint::new("data.unpack", Shape::Unpacking(None));
        }
    }
    for pattern in [
        "{}() arg is an empty sequence",
        "{}() iterable argument is empty",
        "{}() of empty iterable",
    ] {
        if let Some(found) = captures(pattern, message) {
            return conversion("data.empty", None, Some(&found[0]));
        }
    }
    for pattern in [
        "{} is not in list",
        "list.remove(x): x not in list",
        "list.index(x): x not in list",
        "tuple.index(x): x not in tuple",
        "{} is not in deque",
        "deque.remove(x): x not in deque",
        "array.index(x): x not in array",
        "substring not found",
        "subsection not found",
    ] {
        if captures(pattern, message).is_some() {
            return Complaint::new("data.missing_element", argument_of(None));
        }
    }
    if message.starts_with("math domain error")
        || captures("expected a {} input, got {}", message).is_some()
    {
        return Complaint::new("arithmetic.domain", argument_of(None));
    }
    if let Some(found) = captures("{} is not a valid {}", message)
        && !found[1].contains(' ')
    {
        return conversion("data.parse", Some(found[0].clone()), Some(&found[1]));
    }
    if captures("{} is out of range{}", message).is_some()
        || captures("{} must be in {}", message).is_some()
    {
        return conversion("data.invalid_value", None, None);
    }
    conversion("data.invalid_value", None, None)
}

/// The names between single quotes, as in `'a', 'b', and 'c'`.
fn quoted(text: &str) -> Vec<String> {
    text.split('\'')
        .skip(1)
        .step_by(2)
        .take(64)
        .map(str::to_string)
        .collect()
}

/// The value a `repr` prints, for texts and whole numbers.
pub fn printed_value(text: &str) -> Option<Value> {
    let text = text.trim();
    for quote in ['\'', '"'] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return Some(string(inner));
        }
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| Value::Int {
        v: text.to_string(),
    })
}

/// A text as a captured value.
pub fn string(text: &str) -> Value {
    Value::Str {
        v: text.to_string(),
        len: text.chars().count() as u64,
    }
}

/// Matches a pattern whose `{}` stand for any text, the shortest that fits; the last one takes the rest.
/// Text after the end of a pattern that does not end in `{}` is allowed when it begins a new sentence or clause.
fn captures(pattern: &str, message: &str) -> Option<Vec<String>> {
    let mut parts = pattern.split("{}");
    let mut rest = message.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let parts: Vec<&str> = parts.collect();
    for (position, part) in parts.iter().enumerate() {
        let last = position + 1 == parts.len();
        if part.is_empty() && last {
            found.push(rest.to_string());
            return Some(found);
        }
        let at = rest.find(part)?;
        found.push(rest[..at].to_string());
        rest = &rest[at + part.len()..];
    }
    let free = rest.is_empty() || rest.starts_with(['.', ',', ';', ' ', ':', ')', '\'']);
    free.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(type_name: &str, message: &str) -> Exception {
        Exception {
            type_name: type_name.into(),
            module: "builtins".into(),
            message: message.into(),
            relation: None,
            attributes: Default::default(),
            notes: vec![],
            frames: vec![],
        }
    }

    #[test]
    fn messages_of_all_versions_give_the_same_class() {
        for (type_name, message, class) in [
            (
                "AttributeError",
                "'NoneType' object has no attribute 'x'",
                "null.dereference",
            ),
            (
                "AttributeError",
                "module 'math' has no attribute 'foo'",
                "name.missing_attribute",
            ),
            (
                "TypeError",
                "'NoneType' object is not subscriptable",
                "null.dereference",
            ),
            (
                "TypeError",
                "'int' object is not subscriptable",
                "data.type_mismatch",
            ),
            (
                "TypeError",
                "f() missing 1 required positional argument: 'b'",
                "call.arguments",
            ),
            (
                "TypeError",
                "f() missing 2 required keyword-only arguments: 'b' and 'c'",
                "call.arguments",
            ),
            (
                "TypeError",
                "f() takes 2 positional arguments but 3 were given",
                "call.arguments",
            ),
            (
                "TypeError",
                "f() takes 1 positional argument but 2 were given",
                "call.arguments",
            ),
            (
                "TypeError",
                "f() takes from 1 to 2 positional arguments but 3 were given",
                "call.arguments",
            ),
            (
                "TypeError",
                "A.f() got an unexpected keyword argument 'z'. Did you mean 'y'?",
                "call.arguments",
            ),
            ("TypeError", "Point() takes no arguments", "call.arguments"),
            (
                "TypeError",
                "unsupported operand type(s) for +: 'int' and 'str'",
                "data.type_mismatch",
            ),
            (
                "TypeError",
                "unsupported operand type(s) for ** or pow(): 'int' and 'str'",
                "data.type_mismatch",
            ),
            (
                "TypeError",
                "argument of type 'NoneType' is not a container or iterable",
                "null.dereference",
            ),
            (
                "TypeError",
                "argument of type 'NoneType' is not iterable",
                "null.dereference",
            ),
            (
                "TypeError",
                "int() argument must be a string, a bytes-like object or a number, not 'NoneType'",
                "data.type_mismatch",
            ),
            (
                "TypeError",
                "int() argument must be a string, a bytes-like object or a real number, not 'list'",
                "data.type_mismatch",
            ),
            (
                "IndexError",
                "list index out of range",
                "data.index_out_of_range",
            ),
            (
                "IndexError",
                "pop from empty list",
                "data.index_out_of_range",
            ),
            (
                "ValueError",
                "invalid literal for int() with base 10: 'abc'",
                "data.parse",
            ),
            (
                "ValueError",
                "could not convert string to float: 'x'",
                "data.parse",
            ),
            (
                "ValueError",
                "too many values to unpack (expected 2, got 3)",
                "data.unpack",
            ),
            (
                "ValueError",
                "max() iterable argument is empty",
                "data.empty",
            ),
            ("ValueError", "max() arg is an empty sequence", "data.empty"),
            ("ValueError", "'x' is not a valid Color", "data.parse"),
            ("ValueError", "month must be in 1..12", "data.invalid_value"),
            (
                "ZeroDivisionError",
                "float floor division by zero",
                "arithmetic.division_by_zero",
            ),
            (
                "UnboundLocalError",
                "cannot access local variable 'x' where it is not associated with a value",
                "name.unassigned",
            ),
            (
                "UnboundLocalError",
                "local variable 'x' referenced before assignment",
                "name.unassigned",
            ),
            (
                "NameError",
                "free variable 'x' referenced before assignment in enclosing scope",
                "name.unassigned",
            ),
            (
                "NameError",
                "name 'json' is not defined. Did you forget to import 'json'?",
                "name.undefined",
            ),
        ] {
            let found = complaint(&exception(type_name, message)).map(|found| found.class);
            assert_eq!(found, Some(class), "{type_name}: {message}");
        }
    }

    #[test]
    fn the_missing_parameters_are_named() {
        let found = complaint(&exception(
            "TypeError",
            "place.<locals>.f() missing 3 required positional arguments: 'a', 'b', and 'c'",
        ));
        let Some(Complaint {
            shape: Shape::Call { callee, problem },
            ..
        }) = found
        else {
            panic!("{found:?}");
        };
        assert_eq!(callee.as_deref(), Some("place.<locals>.f"));
        assert_eq!(
            problem,
            CallProblem::Missing(vec!["a".into(), "b".into(), "c".into()])
        );
    }

    #[test]
    fn the_text_that_could_not_be_read_is_kept_as_printed() {
        let found = complaint(&exception(
            "ValueError",
            "invalid literal for int() with base 10: '1\\'2'",
        ));
        assert_eq!(
            found.map(|found| found.shape),
            Some(Shape::Conversion {
                text: Some("'1\\'2'".into()),
                to: Some("int".into()),
                type_name: None
            })
        );
    }
}
