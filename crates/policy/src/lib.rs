//! What may be healed by itself and what a person decides, and the signed record of all that was done.
//! It judges no evidence (that is the judge's) and does nothing itself.
//!
//! In reading order: [`config`] is what engineers write, [`mod@decide`] applies it to one candidate, [`mod@guard`] stops
//! healing the same failure again and again, [`audit`] is the hash-chained log.

pub mod audit;
pub mod config;
pub mod decide;
pub mod guard;

pub use config::{ClassPattern, ConfigError, Mode, PathPattern, PolicyConfig};
pub use decide::{PolicyInput, decide};
pub use guard::{HEALS_PER_DAY, guard};
