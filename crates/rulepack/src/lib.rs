//! Rules as data: their format, loading, checking and listing. It applies no rule and judges no program.
//!
//! In reading order: [`markdown`] splits a rule's file, [`rule`] is what its front matter says, [`facts`] are the
//! questions about code that conditions may ask, [`template`] is text with metavariables, [`framework`] tells how a
//! web framework refuses a request, [`case`] is sick code with what must become of it, [`load`] brings all of it
//! together, and [`list`] shows it.

pub mod case;
pub mod facts;
pub mod framework;
pub mod list;
pub mod load;
pub mod markdown;
pub mod rule;
pub mod template;

pub use case::{Case, CaseReport, CaseResult, Expectation, Raised};
pub use facts::Fact;
pub use framework::{Framework, Refusal};
pub use list::{RuleSummary, list};
pub use load::{Pack, RuleError, load};
pub use rule::{Condition, Edit, Fix, Rule};
