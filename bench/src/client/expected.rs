//! Which messages a subscriber has to get, and what went wrong with them.

use std::ops::AddAssign;

use serde::Serialize;

use crate::message::{Label, Message};

/// What a subscriber of one channel waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    channel: u32,
    /// `None` if it may be any.
    next: Option<u32>,
}

/// What went wrong with the messages of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Never came, or only behind one that was published later.
    pub(crate) lost: u64,
    /// Came twice, or behind one that was published later.
    pub(crate) doubled: u64,
    /// Of a channel that nobody subscribed to.
    pub(crate) foreign: u64,
}

impl Expected {
    /// `first`: the message that has to come first, if it is known.
    pub(super) fn new(channel: u32, first: Option<u32>) -> Self {
        Self { channel, next: first }
    }

    pub(super) fn channel(&self) -> u32 {
        self.channel
    }

    /// Takes a message that came, and says which one it is.
    pub(super) fn take(&mut self, label: Label, faults: &mut Faults) -> Message {
        let message = match label {
            Label::Whole(message) => message,
            Label::Digit(digit) => self.nearest(digit),
        };
        let next = self.next.unwrap_or(message.sequence);
        if message.channel != self.channel {
            faults.foreign += 1;
        } else if message.sequence < next {
            faults.doubled += 1;
        } else {
            faults.lost += u64::from(message.sequence - next);
            self.next = Some(message.sequence + 1);
        }
        message
    }

    /// Of all messages whose number ends with a digit, the one that is least out of order.
    fn nearest(&self, digit: u32) -> Message {
        let next = self.next.unwrap_or_default();
        let ahead = (digit + 10 - next % 10) % 10;
        let is_behind = ahead > 5 && next + ahead >= 10;
        Message { channel: self.channel, sequence: if is_behind { next + ahead - 10 } else { next + ahead } }
    }

    /// How many of so many messages are still to come.
    pub(super) fn missing(&self, published: u32) -> u32 {
        self.next.map_or(published.min(1), |next| published.saturating_sub(next))
    }
}

impl Faults {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.foreign += other.foreign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: u32 = 7;

    /// What a subscriber says who gets these messages of its channel, and how many of 4 it still waits for.
    fn faults_of(first: Option<u32>, sequences: &[u32]) -> (Faults, u32) {
        let (mut expected, mut faults) = (Expected::new(CHANNEL, first), Faults::default());
        for &sequence in sequences {
            expected.take(Label::Whole(Message { channel: CHANNEL, sequence }), &mut faults);
        }
        (faults, expected.missing(4))
    }

    #[test]
    fn nothing_is_wrong_with_messages_in_order() {
        assert_eq!(faults_of(Some(0), &[0, 1, 2, 3]), (Faults::default(), 0));
        assert_eq!(faults_of(None, &[2, 3]), (Faults::default(), 0));
    }

    #[test]
    fn lost_doubled_and_reordered_messages_are_noticed() {
        assert_eq!(faults_of(Some(0), &[0, 2]), (Faults { lost: 1, ..Faults::default() }, 1));
        assert_eq!(faults_of(Some(0), &[0, 0, 1]), (Faults { doubled: 1, ..Faults::default() }, 2));
        assert_eq!(faults_of(Some(0), &[1, 0]), (Faults { lost: 1, doubled: 1, foreign: 0 }, 2));
        assert_eq!(faults_of(Some(0), &[]), (Faults::default(), 4));
        assert_eq!(faults_of(None, &[]), (Faults::default(), 1));
    }

    #[test]
    fn a_digit_is_enough_to_notice_the_same() {
        let faults_of = |digits: &[u32]| {
            let (mut expected, mut faults) = (Expected::new(CHANNEL, Some(18)), Faults::default());
            let sequences: Vec<u32> = digits
                .iter()
                .map(|&digit| expected.take(Label::Digit(digit), &mut faults).sequence)
                .collect();
            (sequences, faults)
        };
        assert_eq!(faults_of(&[8, 9, 0, 1]), (vec![18, 19, 20, 21], Faults::default()));
        assert_eq!(faults_of(&[8, 1]), (vec![18, 21], Faults { lost: 2, ..Faults::default() }));
        assert_eq!(faults_of(&[8, 8]), (vec![18, 18], Faults { doubled: 1, ..Faults::default() }));
    }

    #[test]
    fn a_message_of_another_channel_is_foreign() {
        let (mut expected, mut faults) = (Expected::new(CHANNEL, Some(0)), Faults::default());
        expected.take(Label::Whole(Message { channel: 8, sequence: 0 }), &mut faults);
        assert_eq!(faults, Faults { foreign: 1, ..Faults::default() });
        assert_eq!(expected.missing(1), 1);
    }
}
