//! The answers to the facts that rules ask for. Each reads code and values, decides nothing, and says no when unsure.

mod absence;
mod arguments;
mod assignment;
mod defaults;
mod division;
mod mappings;
mod names;
mod optional;
mod reading;
mod requests;

use super::context::Context;
use homeostasis_rulepack::Fact;

/// Whether a fact holds; what it binds is added to the context.
pub(crate) fn holds(context: &mut Context<'_>, fact: Fact, of: Option<&str>) -> bool {
    let answer = match fact {
        Fact::InRequest => context.capsule.request.is_some().then_some(()),
        Fact::Repeatable => reading::repeatable(context, of),
        Fact::Read => reading::is_read(context),
        Fact::NoSimilarKey => mappings::no_similar_key(context, of),
        Fact::NoCloseKey => mappings::no_close_key(context, of),
        Fact::KeyOfOtherType => mappings::key_of_other_type(context, of),
        // A default that is written into is lost with what was written.
        Fact::DefaultElsewhere if reading::is_changed_in_place(&context.failing) => None,
        Fact::DefaultElsewhere => defaults::elsewhere(context),
        Fact::SettingDefault => defaults::of_setting(context),
        Fact::FilledFromEmpty => mappings::filled_from_empty(context, of),
        Fact::AbsenceElsewhere => absence::elsewhere(context, of),
        Fact::EarlyReturnElsewhere => absence::early_return(context, of),
        Fact::LookedUpForClient => requests::looked_up_for_client(context, of),
        Fact::MatchedClientText => requests::matched_client_text(context, of),
        Fact::ClientField => requests::client_field(context, of),
        Fact::ShareOfNothing => division::share_of_nothing(context),
        Fact::ResultIsNumber => division::result_is_number(context),
        Fact::EmptyElsewhere => division::empty_elsewhere(context),
        Fact::StandardImport => names::standard_import(context),
        Fact::CloseName => names::close_name(context),
        Fact::EvidentSpelling => names::evident_spelling(context),
        Fact::CloseAttribute => names::close_attribute(context),
        Fact::CloseKey => names::close_key(context),
        Fact::InitialValue => assignment::initial_value(context),
        Fact::MissingDeclaration => assignment::missing_declaration(context),
        Fact::NoneDefault => assignment::none_default(context, of),
        Fact::NumericText => arguments::numeric_text(context, of),
        Fact::NumberNeeded => arguments::number_needed(context),
        Fact::SumOfText => arguments::sum_of_text(context),
        Fact::DefaultTaken => context
            .hypothesis
            .class
            .is_within("data.mutable_default")
            .then_some(()),
        Fact::CallCorrection => arguments::correction(context),
        Fact::CallLikeOthers => arguments::like_others(context),
        Fact::NoneExpected => optional::none_expected(context),
        Fact::Deleted => optional::deleted(context),
        Fact::ValueUnused => optional::value_unused(context),
        Fact::NullIsWrong => optional::null_is_wrong(context, of),
        Fact::GetDefault => optional::get_default(context, of),
        Fact::LeftOutBesideDefaults => optional::left_out_beside_defaults(context, of),
        Fact::PartsIterated => optional::parts_iterated(context),
        Fact::SoughtNothing => optional::sought_nothing(context, of),
        Fact::MissingSelf => arguments::missing_self(context),
    };
    answer.is_some()
}
