//! Who may call what: the role table. The same table filters what `tools/list` shows.

use crate::contract::ToolSpec;
use crate::contract::tools::Hints;

/// What a role may call.
struct Role {
    name: &'static str,
    may_call: fn(&Hints) -> bool,
}

/// Every role. A role that is not here may call nothing.
const ROLES: [Role; 2] =
    [Role { name: VIEWER, may_call: |hints| hints.read_only }, Role { name: OPERATOR, may_call: |_| true }];

/// May read.
pub const VIEWER: &str = "viewer";
/// May do everything.
pub const OPERATOR: &str = "operator";

/// Whether a holder of `roles` may call `tool`.
pub(super) fn may_call(roles: &[String], tool: &ToolSpec) -> bool {
    ROLES.iter().any(|role| roles.iter().any(|held| held == role.name) && (role.may_call)(&tool.hints))
}

/// The least role that may call `tool`.
pub(super) const fn needed(tool: &ToolSpec) -> &'static str {
    if tool.hints.read_only { VIEWER } else { OPERATOR }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::catalog;

    #[test]
    fn viewers_read_operators_do_all_others_nothing() {
        let allowed = |roles: &[&str]| -> Vec<&str> {
            let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
            catalog().iter().filter(|tool| may_call(&roles, tool)).map(|tool| tool.name).collect()
        };
        assert_eq!(allowed(&[VIEWER]), ["get_cost_estimate", "get_quotas", "get_health", "get_operation"]);
        assert_eq!(allowed(&[OPERATOR]).len(), 14);
        assert_eq!(allowed(&["Operator", "root", ""]), [""; 0]);
    }
}
