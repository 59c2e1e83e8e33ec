//! The first phase: who asks for what, and is it possible? Ends with an answer of our own or with targets to try.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header;
use pingora_core::{Error, Result};
use pingora_proxy::Session;

use super::context::{Ask, Exchange, RequestId, Rest, Run};
use super::stored::Prepared;
use super::tries::Tries;
use super::{Side, batches, body, dispatch, door, files, headers, listing, local, named_files, relay, stored, whole};
use crate::config::Tenant;
use crate::dialects::{Asked, Dialect, count};
use crate::endpoints::{self, Endpoint, NoMatch, Operation};
use crate::error::{Failure, Kind, Refusal};
use crate::gateway::{Gate, Readiness, random_id};
use crate::payload::Payload;
use crate::providers::check_segments;
use crate::routing::{Route, Target, Unresolved, Upstream};

/// A client that sends nothing for so long, in the middle of a request, or takes nothing of its answer, is gone.
const CLIENT_SILENCE: Duration = Duration::from_secs(60);

/// Why an exchange does not go on.
pub enum Stop {
    Refused(Refusal),
    /// A provider's failure, which the client is told in its dialect.
    Failed(Failure),
    /// The client's connection broke.
    Broken(Box<Error>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Box<Error>> for Stop {
    fn from(error: Box<Error>) -> Self {
        Self::Broken(error)
    }
}

/// True when the answer has been given.
pub async fn request_filter(session: &mut Session, ctx: &mut Exchange, side: &Side) -> Result<bool> {
    if relay::take_over(session, ctx).await? {
        return Ok(false);
    }
    door::is_in(session);
    // Pingora knows whole seconds only, and takes none for endless patience.
    let keep_alive = ctx.gateway.config.server.keep_alive.as_millis().div_ceil(1000);
    let keep_alive = u64::try_from(keep_alive).unwrap_or(u64::MAX);
    let is_stopping = ctx.gateway.readiness() == Readiness::Draining;
    // By now Pingora has seen whether the client wants it to be kept at all.
    let is_kept = session.get_keepalive().is_some() && !is_stopping && keep_alive > 0;
    session.set_keepalive(is_kept.then_some(keep_alive));
    session.set_read_timeout(Some(CLIENT_SILENCE));
    session.set_write_timeout(Some(CLIENT_SILENCE));
    ctx.request_id = RequestId::given_or_new(session.req_header().headers.get(headers::X_REQUEST_ID));
    match admit(session, ctx, side).await {
        Ok(answered) => Ok(answered),
        Err(Stop::Refused(refusal)) => local::refuse(session, ctx, refusal).await.map(|()| true),
        Err(Stop::Failed(failure)) => local::fail(session, ctx, failure).await.map(|()| true),
        Err(Stop::Broken(error)) => Err(error),
    }
}

async fn admit(session: &mut Session, ctx: &mut Exchange, side: &Side) -> Result<bool, Stop> {
    let request = session.req_header();
    let path = request.uri.path().to_owned();
    let found = endpoints::find(&request.method, &path).map_err(|why| no_endpoint(why, &path))?;
    ctx.ask = Ask::Local(found.endpoint);
    if found.endpoint.is_guarded() {
        ctx.tenant = match side {
            Side::Clients(_) => authenticate(session, &ctx.gateway.gate)?,
            Side::Inner => introduced(session, &ctx.gateway.gate)?,
        };
    }
    match found.endpoint {
        Endpoint::Live | Endpoint::Ready => local::health(session, ctx, found.endpoint).await?,
        Endpoint::ListModels => listing::list_models(session, ctx).await?,
        Endpoint::RetrieveModel => listing::retrieve_model(session, ctx, found.tail).await?,
        Endpoint::StoredResponse => {
            if Box::pin(stored::answer(session, ctx, found.tail)).await? {
                return Ok(true);
            }
            body::permit(session).await?;
            return Ok(false);
        }
        Endpoint::Passthrough => {
            return Box::pin(pass_through(session, ctx, found.tail)).await;
        }
        Endpoint::ListGeminiModels | Endpoint::RetrieveGeminiModel => {
            listing::gemini_models(session, ctx, found.tail).await?;
        }
        Endpoint::Files | Endpoint::AnthropicFiles | Endpoint::Batches | Endpoint::MessageBatches => {
            let Side::Clients(desk) = side else { return Err(no_endpoint(NoMatch::UnknownPath, &path).into()) };
            match found.endpoint {
                Endpoint::Files | Endpoint::AnthropicFiles => {
                    Box::pin(files::answer(session, ctx, desk, found.tail)).await?;
                }
                _ => Box::pin(batches::answer(session, ctx, desk, found.tail)).await?,
            }
        }
        Endpoint::Run(operation) => {
            let named = found.is_stream.map(|is_stream| Named { model: decoded(found.tail), is_stream });
            return run(session, ctx, operation, named).await;
        }
    }
    Ok(true)
}

fn no_endpoint(why: NoMatch, path: &str) -> Refusal {
    match why {
        NoMatch::WrongMethod(method) => {
            Refusal::new(Kind::MethodNotAllowed, format!("{path} is asked with {method}.")).code("method_not_allowed")
        }
        NoMatch::UnknownPath => {
            let message =
                format!("There is no {path} here. A provider's own endpoints are reached by /p/{{provider}}/….");
            Refusal::new(Kind::NotFound, message).code("unknown_url")
        }
    }
}

fn authenticate(session: &Session, gate: &Gate) -> Result<Option<Arc<Tenant>>, Refusal> {
    if matches!(gate, Gate::Open) {
        return Ok(None);
    }
    let refuse = |message: &str| Refusal::new(Kind::Authentication, message).code("invalid_api_key");
    let request = session.req_header();
    // A client may hold keys for others as well: any that is known here will do.
    let mut presented = headers::presented_keys(&request.headers, request.uri.query()).peekable();
    if presented.peek().is_none() {
        return Err(refuse("A key is needed: send it as `Authorization: Bearer …`, `x-api-key` or `x-goog-api-key`."));
    }
    presented.find_map(|key| gate.admit(&key)).map(Some).ok_or_else(|| refuse("This key is not known here."))
}

/// The tenant whose line of a batch this is: it was known when the batch was made, and may not be any more.
fn introduced(session: &Session, gate: &Gate) -> Result<Option<Arc<Tenant>>, Refusal> {
    let Gate::Keys(tenants) = gate else { return Ok(None) };
    let name = header_text(session, headers::X_NARTHEX_TENANT);
    let tenant = tenants.iter().find(|tenant| tenant.name == name).cloned();
    tenant.map(Some).ok_or_else(|| Refusal::new(Kind::Authentication, "The key of this batch is not known any more."))
}

/// What the path has said already.
struct Named {
    model: String,
    is_stream: bool,
}

fn decoded(tail: &str) -> String {
    percent_encoding::percent_decode_str(tail).decode_utf8_lossy().into_owned()
}

async fn run(
    session: &mut Session,
    ctx: &mut Exchange,
    operation: Operation,
    named: Option<Named>,
) -> Result<bool, Stop> {
    let content_type = header_text(session, &header::CONTENT_TYPE).to_owned();
    if session.req_header().headers.contains_key(header::CONTENT_ENCODING) {
        return Err(
            Refusal::invalid("Compressed request bodies cannot be read; send it without `content-encoding`.").into()
        );
    }
    let read = body::read(session, ctx.gateway.config.server.max_body).await?;
    let (payload, remembered, pin) = match Payload::read(&content_type, read.body)? {
        Payload::Json(object) if operation.dialect() == Dialect::OpenaiResponses => {
            let Prepared { payload, remembered, pin } = Box::pin(stored::prepare(ctx, object)).await?;
            (payload, Some(Box::new(remembered)), pin)
        }
        payload => (payload, None, None),
    };
    let Named { model, is_stream: wants_stream } = match named {
        Some(named) => named,
        None => Named { model: payload.model()?.into_owned(), is_stream: payload.wants_stream() },
    };
    let is_listed = ctx.gateway.routes.load().is_listed(&model);
    let is_strict = ctx.gateway.config.routing.is_strict
        || header_text(session, headers::X_NARTHEX_STRICT).eq_ignore_ascii_case("true");
    let is_array =
        !session.req_header().uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    ctx.ask = Ask::Run(Run {
        operation,
        model,
        is_listed,
        payload,
        wants_stream,
        is_array,
        asked: None,
        is_strict,
        remembered,
    });
    find_targets(ctx, pin.as_deref())?;
    if named_files::are_there(ctx) {
        Box::pin(named_files::lead(ctx)).await?;
    }
    if ctx.tries.is_empty() {
        local::without_provider(session, ctx).await?;
        return Ok(true);
    }
    // A whole answer needs no callback of Pingora's.
    if read.earns_callback || whole::is_wanted(ctx) {
        return Ok(false);
    }
    Box::pin(relay::hand_over(session, ctx)).await?;
    Ok(true)
}

/// Resolves the model of a request that runs one, and puts its targets in order.
fn find_targets(ctx: &mut Exchange, pin: Option<&str>) -> Result<(), Refusal> {
    let Ask::Run(run) = &ctx.ask else { return Ok(()) };
    if ctx.tenant.as_ref().is_some_and(|tenant| !tenant.may_use(&run.model)) {
        let routes = ctx.gateway.routes.load();
        // Whoever may use few models can mistype them as well.
        let hint = if routes.resolve(&run.model).is_err() { meant(ctx, &run.model) } else { String::new() };
        let message = format!("This key may not use the model `{}`.{hint}", run.model);
        return Err(Refusal::new(Kind::Permission, message).code("model_not_allowed").param("model"));
    }
    let resolved = ctx.gateway.routes.load().resolve(&run.model);
    let route = resolved.map_err(|why| no_route(why, ctx, &run.model))?;
    // In a path no encoding makes a name of these.
    if route.targets().iter().any(|target| matches!(&*target.model, "." | "..")) {
        return Err(Refusal::invalid("`.` and `..` are no names of models.").param("model"));
    }
    let Ask::Run(run) = &mut ctx.ask else { return Ok(()) };
    let mut targets = capable(&route, run)?;
    // Whoever asks another one in so many words is told by that one whether it knows of it.
    let is_pinned = |target: &Target| pin == Some(target.upstream.name());
    if targets.iter().any(is_pinned) {
        targets.retain(is_pinned);
    }
    let is_readable = run.operation.generates() || run.operation.can_be_done_here();
    if is_readable
        && (targets.is_empty() || targets.iter().any(|target| dispatch::door(run, target) != Some(run.operation)))
    {
        run.asked = Some(Box::new(asked(run)?));
    }
    ctx.tries = Tries::new(targets, ctx.gateway.config.routing.retries);
    Ok(())
}

/// ` Did you mean …?`, if a model of nearly this name may be used.
pub fn meant(ctx: &Exchange, model: &str) -> String {
    let may_use = |name: &str| ctx.tenant.as_ref().is_none_or(|tenant| tenant.may_use(name));
    let near = ctx.gateway.routes.load().nearest(model, may_use);
    near.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default()
}

pub fn no_route(why: Unresolved, ctx: &Exchange, model: &str) -> Refusal {
    match why {
        Unresolved::Unknown => {
            let hint = meant(ctx, model);
            let message = format!(
                "The model `{model}` does not exist here.{hint} /v1/models lists those that do; `provider/model` reaches any other of \
                 a configured provider."
            );
            Refusal::new(Kind::NotFound, message).code("model_not_found").param("model")
        }
        Unresolved::NotAllowed { instance } => {
            let hint = meant(ctx, model);
            let message = format!(
                "`{instance}` serves only the models that are configured for it; `{model}` is not among them.{hint}"
            );
            Refusal::new(Kind::NotFound, message).code("model_not_found").param("model")
        }
        Unresolved::Pending => {
            let message =
                format!("The model `{model}` is not known yet: the providers' lists are still being fetched.");
            Refusal::new(Kind::Unavailable, message).code("models_not_ready").retry_after(1)
        }
    }
}

/// The request in canonical form.
pub fn asked(run: &Run) -> Result<Asked, Refusal> {
    let Payload::Json(object) = &run.payload else { return Err(no_form()) };
    let (dialect, body) = (run.operation.dialect(), object.text().to_bytes());
    let mut asked = match run.operation.counts() {
        true => count::read_request(dialect, &body)?,
        false => dialect.client().read_request(&body)?,
    };
    asked.request.stream = run.wants_stream;
    asked.reply.model.clone_from(&run.model);
    asked.reply.nonce = random_id();
    asked.reply.created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    asked.reply.is_array = run.is_array;
    if dialect == Dialect::OpenaiResponses {
        let original = run.remembered.as_ref().map_or(object, |remembered| remembered.request());
        asked.reply.echo = Some(original.clone());
    }
    Ok(asked)
}

pub fn no_form() -> Refusal {
    Refusal::invalid("A form cannot be translated; send a JSON object.")
}

/// The route's targets that can do what is asked, in the order of this exchange. None where it is done without a provider.
fn capable(route: &Route, run: &Run) -> Result<Vec<Target>, Refusal> {
    let operation = run.operation;
    let mut order = route.order();
    let first = order.first().map(|target| Arc::clone(&target.upstream));
    order.retain(|target| dispatch::door(run, target).is_some());
    let is_done_here = |upstream: &Upstream| operation.can_be_done_here() && upstream.instance.unsupported().is_none();
    if let Some(upstream) = first.filter(|upstream| order.is_empty() && !is_done_here(upstream)) {
        let provider = upstream.instance.provider;
        let reason = match upstream.instance.unsupported() {
            Some(reason) => format!("`{}` ({}) cannot be used: {reason}.", upstream.name(), provider.title),
            None => format!(
                "`{0}` ({1}) does not serve {2} in this form. What it has of its own is reached by /p/{0}/….",
                upstream.name(),
                provider.title,
                operation.name(),
            ),
        };
        return Err(Refusal::invalid(reason).code("unsupported_operation").param("model"));
    }
    Ok(order.into_iter().cloned().collect())
}

async fn pass_through(session: &mut Session, ctx: &mut Exchange, tail: &str) -> Result<bool, Stop> {
    let (name, path) = tail.split_once('/').unwrap_or((tail, ""));
    if ctx.tenant.as_ref().is_some_and(|tenant| tenant.models.is_some()) {
        let message = "This key is limited to certain models; a provider's own API is not open to it.";
        return Err(Refusal::new(Kind::Permission, message).code("model_not_allowed").into());
    }
    if path.is_empty() {
        return Err(Refusal::invalid(format!("Name a path of the provider: /p/{name}/….")).param("path").into());
    }
    check_segments(path)?;
    let routes = ctx.gateway.routes.load();
    let Some(route) = routes.passthrough(name) else {
        let hint = routes.nearest_provider(name).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
        let known: Vec<_> = ctx.gateway.upstreams.iter().map(|upstream| upstream.name()).collect();
        let message = format!("`{name}` is not a configured provider.{hint} Configured are {}.", known.join(", "));
        return Err(Refusal::new(Kind::NotFound, message).code("unknown_provider").param("path").into());
    };
    if let Some((target, reason)) =
        route.targets().first().and_then(|target| Some((target, target.upstream.instance.unsupported()?)))
    {
        let message = format!(
            "`{}` ({}) cannot be used: {reason}.",
            target.upstream.name(),
            target.upstream.instance.provider.title
        );
        return Err(Refusal::invalid(message).code("unsupported_operation").into());
    }
    let order: Vec<Target> = route.order().into_iter().cloned().collect();
    let is_signed = order.iter().any(|target| target.upstream.is_signed());
    ctx.tries = Tries::new(order, 0);
    let mut rest = Rest { path: path.to_owned(), is_upgrade: session.is_upgrade_req(), body: None };
    if !is_signed {
        body::permit(session).await?;
        ctx.ask = Ask::Passthrough(rest);
        return Ok(false);
    }
    // A signature covers the body, so that this has to be there before the header is sent.
    let read = body::read(session, ctx.gateway.config.server.max_body).await?;
    rest.body = (!read.body.is_empty()).then(|| read.body.to_bytes());
    ctx.ask = Ask::Passthrough(rest);
    if read.earns_callback {
        return Ok(false);
    }
    relay::hand_over(session, ctx).await?;
    Ok(true)
}

fn header_text(session: &Session, name: impl header::AsHeaderName) -> &str {
    session.req_header().headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
