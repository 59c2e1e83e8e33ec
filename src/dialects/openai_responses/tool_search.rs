//! Searches for tools that the client runs itself (`tool_search` with `execution: client`): Codex offers those of MCP servers by one, once there
//! are many. To other dialects it is a function, and what it has found are more tools.

use serde::{Deserialize, Serializer};
use serde_json::value::RawValue;

use super::namespace::joined;
use crate::dialects::ir::Json;

/// What the tool is called, which has no name of its own.
pub const NAME: &str = "tool_search";

#[derive(Deserialize)]
struct Found {
    name: Option<String>,
    /// Those of a namespace.
    #[serde(default)]
    tools: Vec<Found>,
}

/// The result of a search, in words.
pub fn found(tools: &[Json]) -> String {
    let mut names = Vec::new();
    for Found { name, tools } in tools.iter().filter_map(|tool| serde_json::from_str(tool.get()).ok()) {
        let Some(name) = name else { continue };
        if tools.is_empty() {
            names.push(name);
        } else {
            names.extend(tools.into_iter().filter_map(|tool| Some(joined(&name, &tool.name?))));
        }
    }
    if names.is_empty() {
        return "No tools were found.".to_owned();
    }
    format!("These tools can be called now: {}.", names.join(", "))
}

/// Here arguments are an object, not a text. While they are not complete there are none.
pub fn as_object<S: Serializer>(arguments: &str, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::Serialize;

    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(object) if object.get().starts_with('{') => object.serialize(serializer),
        _ => serializer.collect_map::<&str, (), _>([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_named_as_it_can_be_called() {
        let tool = |text: &str| serde_json::from_str::<Json>(text).expect("JSON");
        let tools = [
            tool(r#"{"type":"function","name":"f"}"#),
            tool(r#"{"type":"namespace","name":"mcp__a","tools":[{"name":"b"},{"name":"c"}]}"#),
            tool("7"),
        ];
        assert_eq!(found(&tools), "These tools can be called now: f, mcp__a__b, mcp__a__c.");
        assert_eq!(found(&[]), "No tools were found.");
    }
}
