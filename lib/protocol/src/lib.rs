//! Messages between agents and the server, and the files of a replay: the types behind `README.md`.
//!
//! Not the transport (that is `ingest`) and not what the messages lead to.

mod agent;
mod codec;
mod replay;
mod server;

pub use agent::{AgentMessage, Hello, RepeatItem, RouteCount, StateFile, SwapAnswer, SwapState};
pub use codec::{DecodeError, MAX_MESSAGE_BYTES, decode, encode};
pub use replay::{Effect, Exchange, ReplayInput, ReplayKind, ReplayResult};
pub use server::{AgentConfig, OfferedSource, ReportFile, ServerMessage, SwapFile, SwapOrder};

/// The version this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;
