//! A client's request → the canonical form.

use serde_json::value::RawValue;

use super::super::blocks::{Misfit, Speaker};
use super::super::incoming::{self, Additional, Block, CachePoint, ServiceTier, Tool, ToolChoice};
use crate::dialects::ir::{
    self, CacheMark, Effort, Format, Json, Message, Mode, Opaque, Part, Request, Role, Shown, Thinking, Unknown,
};
use crate::dialects::{Asked, Dialect, Reply, wire};
use crate::error::Refusal;

/// Reads a body. The model and the wish for a stream stand in the URL.
pub fn read(body: &[u8]) -> Result<Asked, Refusal> {
    let (wire, unknown) = wire::read_request::<incoming::Request>(body)?;
    let mut reader = Reader { request: Request { unknown, ..Default::default() } };
    reader.read(wire)?;
    let reply = Reply { model: reader.request.model.clone(), ..Default::default() };
    Ok(Asked { request: reader.request, reply })
}

struct Reader {
    request: Request,
}

impl Reader {
    fn read(&mut self, wire: incoming::Request) -> Result<(), Refusal> {
        let incoming::Request {
            model_id,
            messages,
            system,
            inference_config,
            tool_config,
            additional_model_request_fields,
            output_config,
            service_tier,
            performance_config,
            request_metadata,
        } = wire;
        self.request.model = model_id.unwrap_or_default();
        self.system(system.unwrap_or_default())?;
        for (at, message) in messages.unwrap_or_default().into_iter().enumerate() {
            self.message(at, message)?;
        }
        if let Some(config) = inference_config {
            self.request.max_tokens = config.max_tokens;
            self.request.temperature = config.temperature;
            self.request.top_p = config.top_p;
            self.request.stop = config.stop_sequences.unwrap_or_default();
        }
        if let Some(config) = tool_config {
            for (at, tool) in config.tools.unwrap_or_default().into_iter().enumerate() {
                let tool = read_tool(tool, at)?;
                self.request.tools.push(tool);
            }
            self.request.tool_choice = config.tool_choice.map(read_choice).transpose()?;
        }
        let mut thinking = Thinking::default();
        if let Some(additional) = additional_model_request_fields {
            self.additional(additional, &mut thinking);
        }
        if let Some(config) = output_config {
            if let Some(effort) = config.effort {
                thinking.effort = self.effort("outputConfig.effort", &effort).or(thinking.effort);
            }
            let schema = config.text_format.and_then(|format| format.structure?.json_schema);
            self.request.format = schema.map(read_format).transpose()?;
        }
        self.request.thinking = (thinking != Thinking::default()).then_some(thinking);
        self.request.service_tier = service_tier.and_then(|ServiceTier { kind }| kind);
        self.request.metadata = request_metadata;
        if performance_config.and_then(|config| config.latency).is_some_and(|latency| latency != "standard") {
            self.unknown("performanceConfig.latency");
        }
        Ok(())
    }

    fn unknown(&mut self, path: &str) {
        self.request.unknown.push(Unknown { path: path.to_owned() });
    }

    fn system(&mut self, blocks: Vec<Block>) -> Result<(), Refusal> {
        let nothing: Json = RawValue::NULL.to_owned();
        let mut parts = Vec::new();
        for (at, block) in blocks.into_iter().enumerate() {
            let part = block.into_part(&nothing, Speaker::User);
            parts.extend(part.map_err(|why| refusal(why, &format!("system[{at}]")))?);
        }
        self.push(Role::System, parts);
        Ok(())
    }

    fn message(&mut self, at: usize, message: incoming::Message) -> Result<(), Refusal> {
        let (role, speaker) = match message.role.as_deref() {
            Some("user") => (Role::User, Speaker::User),
            Some("assistant") => (Role::Assistant, Speaker::Assistant),
            Some("system") => (Role::System, Speaker::User),
            other => {
                let given = other.map_or_else(|| "missing".to_owned(), |role| format!("`{role}`"));
                return Err(Refusal::invalid(format!(
                    "`messages[{at}].role` is {given}; it must be `user` or `assistant`."
                )));
            }
        };
        let (mut results, mut parts) = (Vec::new(), Vec::new());
        for (index, raw) in message.content.unwrap_or_default().into_iter().enumerate() {
            let place = || format!("messages[{at}].content[{index}]");
            let block: Block = wire::read_member(&raw, &place, &mut self.request.unknown)?;
            let part = block.into_part(&raw, speaker).map_err(|why| refusal(why, &place()))?;
            match (part, results.last_mut()) {
                (Some(part @ Part::ToolResult(_)), _) => results.push(part),
                // A mark behind a result belongs to it; only there do messages of tools hold one.
                (Some(part @ Part::CachePoint(_)), Some(Part::ToolResult(result))) if parts.is_empty() => {
                    result.content.push(part);
                }
                (part, _) => parts.extend(part),
            }
        }
        self.push(Role::Tool, results);
        self.push(role, parts);
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.request.messages.push(Message { role, parts, name: None });
        }
    }

    fn additional(&mut self, additional: Additional, thinking: &mut Thinking) {
        const HERE: &str = "additionalModelRequestFields";
        let Additional {
            thinking: claude,
            reasoning_config,
            output_config,
            nova_reasoning,
            reasoning_effort,
            reasoning,
            top_k,
            inference,
            tool_choice,
        } = additional;
        if let Some(claude) = claude.or(reasoning_config) {
            thinking.mode = mode(claude.kind.as_deref());
            thinking.budget = claude.budget_tokens.and_then(|tokens| i64::try_from(tokens).ok());
            thinking.shown = match claude.display.as_deref() {
                Some("summarized") => Shown::Summary,
                Some("omitted") => Shown::Hidden,
                _ => Shown::Unsaid,
            };
        }
        if let Some(nova) = nova_reasoning {
            thinking.mode = mode(nova.kind.as_deref());
            thinking.effort = nova
                .max_reasoning_effort
                .and_then(|effort| self.effort(&format!("{HERE}.reasoningConfig.maxReasoningEffort"), &effort));
        }
        let efforts = [
            ("output_config.effort", output_config.and_then(|config| config.effort)),
            ("reasoning_effort", reasoning_effort),
            ("reasoning.effort", reasoning.and_then(|reasoning| reasoning.effort)),
        ];
        for (path, effort) in efforts {
            if let Some(effort) = effort {
                thinking.effort = self.effort(&format!("{HERE}.{path}"), &effort).or(thinking.effort);
            }
        }
        self.request.top_k = top_k.or(inference.and_then(|inference| inference.top_k));
        if let Some(choice) = tool_choice {
            self.request.parallel_tool_calls = choice.disable_parallel_tool_use.map(|one| !one);
            if choice.kind.as_deref() == Some("none") {
                self.request.tool_choice = Some(ir::ToolChoice::None);
            }
        }
    }

    /// An effort by its name; one that we do not know is told as unknown.
    fn effort(&mut self, path: &str, name: &str) -> Option<Effort> {
        let effort = Effort::named(name);
        if effort.is_none() {
            self.unknown(path);
        }
        effort
    }
}

fn mode(kind: Option<&str>) -> Option<Mode> {
    match kind {
        Some("enabled") => Some(Mode::On),
        Some("adaptive") => Some(Mode::Adaptive),
        // The least that some models can do.
        Some("disabled" | "between_tools") => Some(Mode::Off),
        _ => None,
    }
}

fn refusal(why: Misfit, place: &str) -> Refusal {
    Refusal::invalid(match why {
        Misfit::Unknown => format!(
            "`{place}` is no block that is known here: it needs one member such as `text`, `image`, `document`, `toolUse` or `toolResult`."
        ),
        Misfit::Lacks(member) => format!("`{place}` lacks `{member}`."),
    })
}

fn read_tool(tool: Tool, at: usize) -> Result<ir::Tool, Refusal> {
    let lacks = |what: &str| Refusal::invalid(format!("`toolConfig.tools[{at}]` lacks {what}."));
    Ok(match tool {
        Tool { tool_spec: Some(spec), .. } => ir::Tool::Function {
            name: spec.name.filter(|name| !name.is_empty()).ok_or_else(|| lacks("a `toolSpec.name`"))?,
            description: spec.description,
            parameters: spec.input_schema.and_then(|schema| schema.json),
            strict: spec.strict,
        },
        Tool { system_tool: Some(tool), .. } => {
            let name = tool.name.ok_or_else(|| lacks("a `systemTool.name`"))?;
            let value = serde_json::value::to_raw_value(&serde_json::json!({"systemTool": {"name": name}}));
            let value = value.map_err(|_| lacks("a `systemTool.name` that can be written"))?;
            ir::Tool::Opaque(Opaque { dialect: Dialect::Converse, name, value })
        }
        Tool { cache_point: Some(CachePoint { ttl, .. }), .. } => ir::Tool::CachePoint(CacheMark { ttl }),
        _ => return Err(lacks("`toolSpec`, `systemTool` or `cachePoint`")),
    })
}

fn read_choice(choice: ToolChoice) -> Result<ir::ToolChoice, Refusal> {
    match choice {
        ToolChoice { auto: Some(_), .. } => Ok(ir::ToolChoice::Auto),
        ToolChoice { any: Some(_), .. } => Ok(ir::ToolChoice::Required),
        ToolChoice { tool: Some(tool), .. } => tool
            .name
            .map(ir::ToolChoice::Named)
            .ok_or_else(|| Refusal::invalid("`toolConfig.toolChoice.tool` lacks `name`.")),
        _ => Err(Refusal::invalid("`toolConfig.toolChoice` must hold `auto`, `any` or `tool`.")),
    }
}

fn read_format(schema: incoming::JsonSchema) -> Result<Format, Refusal> {
    const PLACE: &str = "outputConfig.textFormat.structure.jsonSchema.schema";
    let incoming::JsonSchema { name, description, schema } = schema;
    let schema = schema.ok_or_else(|| Refusal::invalid(format!("`{PLACE}` is missing.")))?;
    let schema = RawValue::from_string(schema)
        .map_err(|why| Refusal::invalid(format!("`{PLACE}` must be a text that is JSON: {why}.")))?;
    Ok(Format::JsonSchema { name, description, schema, strict: None })
}
