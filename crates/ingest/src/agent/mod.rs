//! The connection with the agents inside the watched program.

mod decode;
mod fleet;
mod server;

pub use decode::{Refused, event};
pub use fleet::{Agents, AskError, ConnectedProcess};
pub use server::{BindError, Incoming, Source, serve};
