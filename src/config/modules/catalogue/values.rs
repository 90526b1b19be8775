//! Checks of values: those of [`accept`](super::super::accept), and those that only one or two rows here need.

pub(super) use super::super::accept::*;

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::value;

/// `on`, `off`, `threads`, `threads=POOL`.
pub(super) fn aio(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    let known = matches!(call.arg(0), b"on" | b"off" | b"threads") || call.arg(0).starts_with(b"threads=");
    valid(call, known)
}

/// `NUMBER SIZE`, neither of them zero.
pub(super) fn buffers(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    let (number, size) = (value::number(call.arg(0)), value::size(call.arg(1)));
    valid(call, number.is_some_and(|number| number > 0) && size.is_some_and(|size| size > 0))
}

/// `stop` or `abort`.
pub(super) fn debug_points(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.one_of(&[("stop", ()), ("abort", ())])
}

/// `off` or the size of a file.
pub(super) fn off_or_offset(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    valid(call, call.arg(0) == b"off" || value::offset(call.arg(0)).is_some())
}

fn valid(call: &Call<'_>, is_valid: bool) -> Outcome {
    if is_valid { Ok(()) } else { Err(call.invalid_value()) }
}
