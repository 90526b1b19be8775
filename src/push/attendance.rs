//! That a subscriber is there: others may be told when it comes and when it goes, and what it says of itself.

use crate::request::RequestCtx;
use crate::store::ChannelKey;

use super::PushState;
use super::events::{Announcement, Farewell, Happening};
use super::roster::Entry;

/// A subscriber's attendance, which ends on drop.
#[derive(Debug)]
pub struct Attendance {
    _farewell: Option<Farewell>,
    _entry: Option<Entry>,
}

impl Attendance {
    /// Begins that of a request which was let into its channels; `None` where nobody wants to know.
    pub fn begin(state: &PushState, ctx: &RequestCtx, keys: &[ChannelKey]) -> Option<Box<Self>> {
        let farewell = Announcement::of(ctx, Happening::Enqueue).and_then(|arrival| {
            arrival.publish(&state.store);
            // Its text is settled now: nothing is kept of the request.
            Some(Announcement::of(ctx, Happening::Dequeue)?.when_dropped(&state.store))
        });
        let entry = state.roster.is_open().then(|| {
            let line = ctx.render(&ctx.conf.push.subscriber_info);
            state.roster.enter(keys, line)
        });
        let anybody_cares = farewell.is_some() || entry.is_some();
        anybody_cares.then(|| Box::new(Self { _farewell: farewell, _entry: entry }))
    }
}
