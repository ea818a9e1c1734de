//! Candidates from rules: match a rule at the failing expression, check its conditions, make its edit.
//!
//! In reading order: [`context`] is what is known about a failure, [`values`] and [`conditions`] answer what a rule
//! asks, [`facts`] read the code around it, [`place`] finds where a statement may stand, [`text`] fills templates in,
//! [`imports`] adds imports, and [`apply`] makes the edit.

pub(crate) mod apply;
pub(crate) mod conditions;
pub(crate) mod context;
pub(crate) mod facts;
pub(crate) mod imports;
pub(crate) mod place;
pub(crate) mod purity;
pub(crate) mod text;
pub(crate) mod values;
