//! Who is in which channel: for each channel the parked connections in it, oldest first. A connection may be in several.

use rustc_hash::FxHashMap;

use crate::store::ChannelId;

use super::blocks::Blocks;

/// No link.
const END: u32 = u32::MAX;

/// The lists of one worker.
#[derive(Default)]
pub(super) struct Lists {
    heads: FxHashMap<ChannelId, Head>,
    links: Blocks<Link>,
}

/// A connection's place in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// A connection's places: one per channel, in the order of its channels.
#[derive(Debug, Default)]
pub(super) enum Places {
    #[default]
    None,
    One(Place),
    Many(Box<[Place]>),
}

struct Head {
    first: u32,
    last: u32,
}

struct Link {
    entry: u32,
    previous: u32,
    next: u32,
}

impl Lists {
    /// Puts a connection at the end of each channel's list.
    pub(super) fn enter(&mut self, channels: impl Iterator<Item = ChannelId>, entry: usize) -> Places {
        let mut places = channels.map(|channel| self.link(channel, entry));
        match (places.next(), places.next()) {
            (None, _) => Places::None,
            (Some(only), None) => Places::One(only),
            (Some(first), Some(second)) => Places::Many([first, second].into_iter().chain(places).collect()),
        }
    }

    /// Takes a connection out of its channels' lists.
    pub(super) fn leave(&mut self, channels: impl Iterator<Item = ChannelId>, places: &Places) {
        let places = match places {
            Places::None => &[],
            Places::One(place) => std::slice::from_ref(place),
            Places::Many(places) => places,
        };
        channels.zip(places).for_each(|(channel, place)| self.unlink(channel, *place));
    }

    fn link(&mut self, channel: ChannelId, entry: usize) -> Place {
        let link = Link { entry: narrow(entry), previous: END, next: END };
        let place = narrow(self.links.insert(link));
        let head = self.heads.entry(channel).or_insert(Head { first: place, last: END });
        let previous = std::mem::replace(&mut head.last, place);
        if previous != END {
            self.set(previous, |link| link.next = place);
            self.set(place, |link| link.previous = previous);
        }
        Place(place)
    }

    fn unlink(&mut self, channel: ChannelId, place: Place) {
        let Some(Link { previous, next, .. }) = self.links.remove(place.0 as usize) else { return };
        if (previous, next) == (END, END) {
            self.heads.remove(&channel);
            return;
        }
        self.set(previous, |link| link.next = next);
        self.set(next, |link| link.previous = previous);
        let Some(head) = self.heads.get_mut(&channel) else { return };
        match (previous, next) {
            (END, _) => head.first = next,
            (_, END) => head.last = previous,
            _ => {}
        }
    }

    /// The connections in a channel, oldest first.
    pub(super) fn of(&self, channel: ChannelId) -> impl Iterator<Item = usize> {
        let mut next = self.heads.get(&channel).map_or(END, |head| head.first);
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            next = link.next;
            Some(link.entry as usize)
        })
    }

    fn set(&mut self, place: u32, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(place as usize) {
            change(link);
        }
    }
}

/// A process has fewer descriptors than that.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(END)
}
