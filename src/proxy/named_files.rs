//! Files that a request names: it goes to the instance that has them, which alone can read them.

use super::context::{Ask, Exchange, Run};
use super::desk::unavailable;
use super::files::native;
use super::stored::tenant;
use super::tries::Tries;
use crate::dialects::ir::Source;
use crate::error::Refusal;
use crate::files::{self, Shape, read_file};
use crate::payload::Payload;
use crate::store::{Place, StoredFile};

/// Whether a request names files, and it matters where they are: it is translated, or several instances could be asked. Those that go
/// to one as they are pay nothing for this.
pub fn are_there(ctx: &mut Exchange) -> bool {
    let has_choice = ctx.tries.has_choice();
    match &mut ctx.ask {
        Ask::Run(run) if run.asked.is_some() => !in_asked(run).is_empty(),
        Ask::Run(Run { payload: Payload::Json(object), .. }) => has_choice && object.text().contains(files::TELLTALE),
        _ => false,
    }
}

/// Leaves only the targets that have the files that are named. Files that the gateway does not know may be anywhere: the provider is to
/// judge.
///
/// # Errors
/// If no target has all of them.
pub async fn lead(ctx: &mut Exchange) -> Result<(), Refusal> {
    let Ask::Run(run) = &mut ctx.ask else { return Ok(()) };
    let mut ids = match (&run.asked, &run.payload) {
        (Some(_), _) => in_asked(run),
        (None, Payload::Json(object)) => files::named(&object.text().to_bytes()),
        (None, Payload::Form(_)) => return Ok(()),
    };
    ids.sort_unstable();
    ids.dedup();
    // Each is looked up: nobody shall make us look for thousands.
    ids.truncate(files::MOST_NAMED);
    let mut found = Vec::new();
    for id in ids {
        let known = ctx.gateway.store.file(tenant(ctx), &id).await.map_err(|why| unavailable(&why))?;
        found.extend(known.filter(|file| file.place != Place::Here));
    }
    let mut places = found.iter().filter_map(|file| Some((file, instance(file)?)));
    let Some((first, there)) = places.next() else { return Ok(()) };
    if let Some((other, elsewhere)) = places.find(|(_, instance)| *instance != there) {
        let message = format!(
            "`{}` is at `{there}` and `{}` at `{elsewhere}`: all files of a request must be where it is answered.",
            first.id, other.id,
        );
        return Err(Refusal::invalid(message).code("files_apart").param("file_id"));
    }
    let targets: Vec<_> =
        ctx.tries.targets().iter().filter(|target| target.upstream.name() == there).cloned().collect();
    let Ask::Run(run) = &mut ctx.ask else { return Ok(()) };
    let Some(target) = targets.first() else {
        let message = format!("The file `{}` is at `{there}`, which does not serve `{}`.", first.id, run.model);
        return Err(Refusal::invalid(message).code("file_elsewhere").param("file_id"));
    };
    if native(&target.upstream) == Shape::Gemini {
        name_as_google_does(run, &found);
    }
    ctx.tries = Tries::new(targets, ctx.gateway.config.routing.retries);
    Ok(())
}

fn instance(file: &StoredFile) -> Option<&str> {
    match &file.place {
        Place::AtProvider { instance, .. } => Some(instance),
        Place::Here => None,
    }
}

fn in_asked(run: &mut Run) -> Vec<String> {
    let media = run.asked.as_mut().map(|asked| asked.request.media_mut()).unwrap_or_default();
    media
        .into_iter()
        .filter_map(|media| if let Source::FileId(id) = &media.source { Some(id.clone()) } else { None })
        .collect()
}

/// Google wants to know a file's kind, and calls it `files/…`.
fn name_as_google_does(run: &mut Run, found: &[StoredFile]) {
    for media in run.asked.as_mut().map(|asked| asked.request.media_mut()).unwrap_or_default() {
        let Source::FileId(id) = &media.source else { continue };
        let Some(file) = found.iter().find(|file| file.id == *id) else { continue };
        if let Place::AtProvider { id, .. } = &file.place {
            let kind = read_file(Shape::Gemini, file.object.get().as_bytes()).ok().and_then(|object| object.mime_type);
            media.mime = media.mime.take().or(kind);
            media.source = Source::FileId(format!("files/{id}"));
        }
    }
}
