//! Files as clients and providers show them: how an upload is read while it arrives, what each vendor calls the same facts, and how
//! requests name them.
//! Where a file is, and how it gets there, is none of this room's business (see `proxy`, `store`).

mod form;
mod named;
mod object;

pub use form::{Part, Splitter};
pub use named::{MOST_NAMED, TELLTALE, named};
pub use object::{FileObject, Next, Shape, deleted, page_of, read_file, read_list, rfc3339, seconds};
