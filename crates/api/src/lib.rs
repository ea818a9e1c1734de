//! The HTTP API on loopback, and the explanation of a heal in sentences; it decides nothing and heals nothing, but
//! asks the [`Backend`] for that.
//!
//! In reading order: [`backend`] is what the API stands on, [`router`] is the list of all routes, [`guard`] lets in
//! whom it should, [`problem`] is how every error looks, [`explain`] turns the log of a heal into sentences.

pub mod backend;
pub mod explain;
pub mod guard;
pub mod problem;
mod router;
mod routes;

pub use backend::{Backend, CommandError};
pub use explain::{Explanation, explain};
pub use problem::Problem;
pub use router::router;
