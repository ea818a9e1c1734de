//! The engines, each of which explains the failure from what it knows, without knowing of the others.

pub(crate) mod expression;
pub(crate) mod not_code;
pub(crate) mod own_error;
