//! The handlers of the routes, by what they are about.

pub(crate) mod audit;
pub(crate) mod decisions;
pub(crate) mod incidents;
pub(crate) mod knowledge;
pub(crate) mod status;
pub(crate) mod stream;
