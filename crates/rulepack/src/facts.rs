//! The questions about code that a rule's conditions may ask by name; the answers are worked out in `repair`.

use serde::{Deserialize, Serialize};

macro_rules! facts {
    ($($(#[doc = $doc:literal])+ $variant:ident => [$($binds:literal),*]),+ $(,)?) => {
        /// A question about the code around a failure. Some answers bind metavariables.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Fact { $($(#[doc = $doc])+ $variant),+ }

        impl Fact {
            /// Every fact there is.
            pub const ALL: &'static [Fact] = &[$(Fact::$variant),+];

            /// The metavariables that a positive answer binds.
            pub fn binds(self) -> &'static [&'static str] {
                match self { $(Fact::$variant => &[$($binds),*]),+ }
            }

            /// What it asks, for the manual.
            pub fn documentation(self) -> String {
                match self { $(Fact::$variant => [$($doc),+].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")),+ }
            }
        }
    };
}

facts! {
    /// The failure happened while a request was answered.
    InRequest => [],
    /// The expression `of` can be evaluated once more without any effect: names, attributes, subscripts, literals,
    /// and calls that only read.
    Repeatable => [],
    /// The expression `of` is read where it stands: it is not assigned to, changed in place or deleted.
    Read => [],
    /// The captured mapping `of` has no key that is `KEY` written in another type, case or spacing.
    NoSimilarKey => [],
    /// The captured mapping `of` has no key that is spelt nearly like `KEY`; holds too when it was not captured.
    NoCloseKey => [],
    /// The captured mapping `of` has the key `KEY` as another type; binds CONVERTED, the key converted.
    KeyOfOtherType => ["CONVERTED"],
    /// Other code reads the key `KEY` of a mapping of the same name with a default, always the same; binds DEFAULT.
    DefaultElsewhere => ["DEFAULT"],
    /// The program states a default for the setting `KEY`: another read of it has one, or a constant
    /// `DEFAULT_<KEY>` exists; binds DEFAULT.
    SettingDefault => ["DEFAULT"],
    /// The mapping `of` is created empty in this function and filled at `KEY` by the failing statement; binds
    /// INITIAL, the value to begin with.
    FilledFromEmpty => ["INITIAL"],
    /// Other code handles the absence of `of`, always with the same replacement for this use of it; binds USE (the
    /// failing expression, with its call where it is a method) and FALLBACK.
    AbsenceElsewhere => ["USE", "FALLBACK"],
    /// Other functions of the file begin by answering an empty or absent variable called `of` with a constant, always
    /// the same, and this function only computes; binds ANSWER.
    EarlyReturnElsewhere => ["ANSWER"],
    /// `of` came from a lookup whose key the client sent.
    LookedUpForClient => [],
    /// `of` came from matching a regular expression against text that the client sent.
    MatchedClientText => [],
    /// `of` is a field of what the client sent, or a variable that holds one; binds FIELD, its name.
    ClientField => ["FIELD"],
    /// `DIVISOR` counts or sums what `DIVIDEND` sums, and both were zero.
    ShareOfNothing => [],
    /// The result of the failing expression must be a number: an annotation says so, or it is rounded, formatted as
    /// a number, multiplied, or other returns of the function are numbers.
    ResultIsNumber => [],
    /// Other code that divides by the same count answers an empty one with a constant; binds FALLBACK.
    EmptyElsewhere => ["FALLBACK"],
    /// `NAME` is a module of the standard library and is used as one, or a well-known member of one; binds IMPORT.
    StandardImport => ["IMPORT"],
    /// Exactly one name that is defined here is close to `NAME` in spelling; binds INTENDED.
    CloseName => ["INTENDED"],
    /// `NAME` is written once and `INTENDED` at least twice, they differ by one letter, and `INTENDED` is a variable of
    /// this function.
    EvidentSpelling => [],
    /// Exactly one attribute of the object `OBJECT` is close to `ATTRIBUTE` in spelling; binds INTENDED.
    CloseAttribute => ["INTENDED"],
    /// Exactly one key of the mapping `OBJECT` is close to `KEY` in spelling and the program itself wrote it; binds
    /// INTENDED.
    CloseKey => ["INTENDED"],
    /// `NAME` is assigned in branches or loops only, and what reads it handles one initial value; binds INITIAL.
    InitialValue => ["INITIAL"],
    /// `NAME` is a module variable that this function changes without declaring it global (or a variable of the
    /// enclosing function: nonlocal); binds DECLARATION.
    MissingDeclaration => ["DECLARATION"],
    /// `of` is a parameter whose default is None, no argument was given, and the function uses it as a list, a
    /// dictionary or a set; binds PARAMETER and EMPTY.
    NoneDefault => ["PARAMETER", "EMPTY"],
    /// The diagnosis followed the call and saw that the argument was left out.
    DefaultTaken => [],
    /// `of` is text that reads as a number; binds CONVERTED, the number.
    NumericText => ["CONVERTED"],
    /// The failing expression cannot work with text at all: it counts up to its operand, or takes it as a position in a
    /// captured list.
    NumberNeeded => [],
    /// The failing expression is a sum in which a text is written out, so that its result is text.
    SumOfText => [],
    /// The call disagrees with the definition of what it calls, and one correction agrees with the definition and
    /// with the other calls; binds CORRECTED, the call.
    CallCorrection => ["CORRECTED"],
    /// One required argument is missing, and all other calls in this file give the same expression for it, which is at
    /// hand here too; binds CORRECTED, the call.
    CallLikeOthers => ["CORRECTED"],
    /// The definition of the method called lacks its `self`.
    MissingSelf => ["DEFINITION"],
    /// What is done with the failing expression's value is ready for None: it is compared with None or has a
    /// replacement behind `or`, at once or as the first thing done with its variable; or the function may return None.
    NoneExpected => [],
    /// The failing expression is all that a `del` statement deletes.
    Deleted => [],
    /// The failing expression is a statement of its own, so that nothing uses its value.
    ValueUnused => [],
    /// `of` was taken by its key from a body or a form that the client sent, so that None is the client's mistake.
    NullIsWrong => [],
    /// `of` came from `mapping.get(key)`, and the program states a default for the key: another read has it, the
    /// documentation of the function does, or all other headers have the same one; binds READ (the call), READ_KEY
    /// and WITH_DEFAULT (the call with the default).
    GetDefault => ["READ", "READ_KEY", "WITH_DEFAULT"],
    /// `of` is a parameter whose default is None, and the function does nothing with it but look for it in texts;
    /// binds PARAMETER.
    SoughtNothing => ["PARAMETER"],
    /// `of` is None because `mapping.get(key)` found nothing in what a client may leave out (a query string, headers),
    /// and the function reads other keys of the same mapping with defaults, or the key is one that clients usually
    /// leave out (`page`, `limit`, `sort` ...).
    LeftOutBesideDefaults => [],
    /// The failing expression is a method that takes text apart, and all that is done with the parts is to go through
    /// them; binds USE (the call).
    PartsIterated => ["USE"],
}
