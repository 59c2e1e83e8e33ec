//! Batches as data: the lines of their files, what is shown of them, what is remembered of them from one look to the next, and the
//! words that each vendor has for the same things. Who asks whom, and when, is none of this room's business (see `proxy`).

mod line;
mod object;
mod results;
mod split;
mod survey;
mod work;

pub use line::{Line, endpoint_of, path_of};
pub use object::{Batch, Counts, LineError, Status, Usage};
pub use results::{Outcome, ResultLine};
pub use split::{LONGEST_LINE, Lines, Numbered};
pub use survey::{Problem, Survey, Surveyor};
pub use work::{Input, Mode, Stage, Work};
