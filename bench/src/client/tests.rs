//! What the tests of all decoders need.

use std::io;

use crate::message::Label;

/// Feeds `bytes` in pieces, as a connection does. Returns all messages and all output.
pub(super) fn decode_in_pieces(
    bytes: &[u8],
    piece: usize,
    mut decode: impl FnMut(&[u8], &mut Vec<u8>, &mut Vec<Label>) -> io::Result<usize>,
) -> (Vec<Label>, Vec<u8>) {
    let (mut messages, mut output, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        unread.extend_from_slice(piece);
        let used = decode(&unread, &mut output, &mut messages).expect("what a server may send");
        unread.drain(..used);
    }
    assert!(unread.is_empty(), "{} bytes are left", unread.len());
    (messages, output)
}

/// Channel and sequence of messages that are long enough to say them.
pub(super) fn numbers(messages: &[Label]) -> Vec<(u32, u32)> {
    let numbers = |label: &Label| match label {
        Label::Whole(message) => (message.channel, message.sequence),
        Label::Digit(digit) => panic!("only a digit: {digit}"),
    };
    messages.iter().map(numbers).collect()
}
