//! What is published: a text that says which message of which channel it is.

/// Bytes of a message that nothing is added to.
pub(crate) const SHORTEST: usize = 18;

/// Digits of each number.
const DIGITS: usize = 8;

/// One message, as publisher and subscriber know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) channel: u32,
    /// Counted from 0 in each channel.
    pub(crate) sequence: u32,
}

impl Message {
    /// Appends the body, filled up to `size` bytes.
    pub(crate) fn write(self, size: usize, body: &mut Vec<u8>) {
        let start = body.len();
        write_number(self.channel, body);
        write_number(self.sequence, body);
        body.resize(start + size.max(SHORTEST), b'x');
    }

    /// Reads the start of a body. `None` if no message of ours starts so.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let (channel, rest) = read_number(body)?;
        let (sequence, _) = read_number(rest)?;
        Some(Self { channel, sequence })
    }
}

fn write_number(number: u32, body: &mut Vec<u8>) {
    let start = body.len();
    body.resize(start + DIGITS, b'0');
    let mut rest = number;
    for digit in body[start..].iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    body.push(b'.');
}

fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(DIGITS)?;
    let number = digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))?;
    Some((number, rest.strip_prefix(b".")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_which_message_it_is() {
        let message = Message { channel: 12, sequence: 345_678 };
        let mut body = Vec::new();
        message.write(30, &mut body);
        assert_eq!(body, b"00000012.00345678.xxxxxxxxxxxx");
        assert_eq!(Message::read(&body), Some(message));
        assert_eq!(Message::read(&body[..SHORTEST]), Some(message));
    }

    #[test]
    fn other_bodies_are_no_messages() {
        for body in [&b""[..], b"00000012.00345678", b"0000001a.00345678.", b"00000012 00345678."] {
            assert_eq!(Message::read(body), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
