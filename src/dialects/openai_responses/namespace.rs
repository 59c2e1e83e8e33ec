//! Tools in namespaces: how Codex offers those of each MCP server. Other dialects know no such thing, so that to the model they are functions
//! whose names begin with that of the namespace; in answers the two stand apart again.

/// A tool of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaced {
    /// What the model calls it.
    joined: String,
    namespace: String,
    name: String,
}

impl Namespaced {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { joined: joined(namespace, name), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The namespace and the name of a tool that the model calls so; without a namespace it is just that name.
    pub fn apart(all: &[Self], called: &str) -> (Option<String>, String) {
        match all.iter().find(|tool| tool.joined == called) {
            Some(tool) => (Some(tool.namespace.clone()), tool.name.clone()),
            None => (None, called.to_owned()),
        }
    }
}

/// A name that tells which namespace it is from: `mcp__files__` has its own seam, `mcp__files` gets one.
pub fn joined(namespace: &str, name: &str) -> String {
    let seam = if namespace.ends_with("__") { "" } else { "__" };
    format!("{namespace}{seam}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_and_taken_apart() {
        let all = [Namespaced::new("mcp__a__", "read"), Namespaced::new("mcp__b", "read")];
        assert_eq!(joined("mcp__a__", "read"), "mcp__a__read");
        assert_eq!(Namespaced::apart(&all, "mcp__b__read"), (Some("mcp__b".to_owned()), "read".to_owned()));
        assert_eq!(Namespaced::apart(&all, "read"), (None, "read".to_owned()));
    }
}
