//! That a subscriber is there: others may be told when it comes and when it goes, and what it says of itself.

use crate::request::RequestCtx;
use crate::store::ChannelKey;

use super::events::{Announcement, Farewell, Happening};
use super::hooks::Subrequest;
use super::notices::Departure;
use super::roster::Entry;
use super::{PushState, notices};

/// A subscriber's attendance, which ends on drop.
#[derive(Debug)]
pub struct Attendance {
    _farewell: Option<Farewell>,
    _entry: Option<Entry>,
    _departure: Option<Departure>,
}

impl Attendance {
    /// Begins that of a request which was let into its channels; `None` where nobody wants to know. Other locations are
    /// told through `inside`.
    pub fn begin(
        state: &PushState,
        ctx: &RequestCtx,
        keys: &[ChannelKey],
        inside: Option<&dyn Subrequest>,
    ) -> Option<Box<Self>> {
        let farewell = Announcement::of(ctx, Happening::Enqueue).and_then(|arrival| {
            arrival.publish(&state.store);
            // Its text is settled now: nothing is kept of the request.
            Some(Announcement::of(ctx, Happening::Dequeue)?.when_dropped(&state.store))
        });
        let entry = state.roster.is_open().then(|| {
            let line = ctx.render(&ctx.conf.push.subscriber_info);
            state.roster.enter(keys, line)
        });
        let departure = inside.and_then(|inside| notices::arrive(state, ctx, inside));
        let anybody_cares = farewell.is_some() || entry.is_some() || departure.is_some();
        anybody_cares.then(|| Box::new(Self { _farewell: farewell, _entry: entry, _departure: departure }))
    }
}
