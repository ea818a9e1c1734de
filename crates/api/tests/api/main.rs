//! Tests of the API: the explanation as text and data, and the routes over a real connection.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod explain;
mod samples;
mod server;
mod way_in;
