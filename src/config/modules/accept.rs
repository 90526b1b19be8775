//! Setters of directives that are checked and then have no effect: each looks at the value with nginx's grammar.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;

/// Takes any arguments, any number of times.
pub fn any(_: &mut Builder<'_>, _: &Call<'_>) -> Outcome {
    Ok(())
}

/// Takes any arguments, once per block.
pub fn once(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)
}

/// `on` or `off`, once per block.
pub fn flag(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.flag().map(drop)
}

/// A number, once per block.
pub fn number(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.number().map(drop)
}

/// A size (`k`, `m`), once per block.
pub fn size(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.size().map(drop)
}

/// A size that may be a file's (`k`, `m`, `g`), once per block.
pub fn offset(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.offset().map(drop)
}

/// A time in seconds, once per block.
pub fn seconds(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.seconds().map(drop)
}

/// A time in milliseconds, once per block.
pub fn millis(builder: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    builder.once(call)?;
    call.millis().map(drop)
}
