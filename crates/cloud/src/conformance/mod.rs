//! What every cloud's server has to do, checked over the wire: by plain HTTP in each protocol revision, and by the
//! library's own client. Nothing is changed on the cloud: writes are refused ones and dry runs.
//!
//! Run it against a server that serves: `conformance::run_all(&target).await`, and expect no [`Failure`].

mod entrance;
mod gate;
mod legacy;
mod library;
mod modern;
mod probe;

use std::future::Future;
use std::pin::Pin;

use probe::Probe;

/// The server to check.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its endpoint.
    pub url: String,
    /// A token with the role operator.
    pub operator_token: String,
    /// A token with the role viewer.
    pub viewer_token: String,
    /// A token that is good in all but its audience.
    pub foreign_token: String,
    /// A region that the cloud has.
    pub region: String,
}

/// A check that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The check.
    pub check: &'static str,
    /// What was found.
    pub found: String,
}

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A check with its name.
struct Check {
    name: &'static str,
    run: for<'a> fn(&'a Probe) -> Run<'a>,
}

macro_rules! checks {
    ($($module:ident::$check:ident),+ $(,)?) => {
        &[$(Check { name: stringify!($check), run: |probe| Box::pin($module::$check(probe)) }),+]
    };
}

const CHECKS: &[Check] = checks![
    modern::discovery_says_what_is_served,
    modern::tools_are_listed_in_order_and_by_role,
    modern::a_tool_that_is_not_listed_says_why,
    modern::a_result_is_structured_valid_and_repeated_as_text,
    modern::bad_arguments_are_tool_errors_that_name_the_field,
    modern::a_viewer_who_writes_is_told_the_scope_that_would_do,
    modern::a_dry_run_says_so_or_is_refused,
    modern::headers_must_match_the_body,
    modern::an_unknown_tool_is_a_protocol_error,
    entrance::malformed_params_name_the_field,
    entrance::malformed_messages_are_refused_in_json_rpc,
    entrance::only_declared_features_answer,
    entrance::revisions_that_are_not_served_are_refused,
    legacy::older_revisions_are_served_without_sessions,
    legacy::a_revision_that_is_too_old_is_not_agreed_to,
    gate::without_a_good_token_there_is_a_challenge,
    gate::the_metadata_names_this_server,
    gate::foreign_origins_and_hosts_are_refused,
    gate::only_post_is_allowed,
    gate::what_is_not_json_or_too_large_is_refused,
    library::the_library_client_is_served_in_every_lifecycle,
];

/// Runs all checks, and returns those that did not hold.
pub async fn run_all(target: &Target) -> Vec<Failure> {
    let probe = match Probe::new(target) {
        Ok(probe) => probe,
        Err(found) => return vec![Failure { check: "client", found }],
    };
    let mut failures = Vec::new();
    for check in CHECKS {
        if let Err(found) = (check.run)(&probe).await {
            failures.push(Failure { check: check.name, found });
        }
    }
    failures
}
