//! What is published: a text that says which message of which channel it is.

/// Bytes of a message that says that in full.
const WHOLE: usize = 2 * (DIGITS + 1);

/// Digits of each number.
const DIGITS: usize = 8;

/// One message, as publisher and subscriber know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) channel: u32,
    /// Counted from 0 in each channel.
    pub(crate) sequence: u32,
}

/// What a body says about its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Whole(Message),
    /// The last digit of the sequence, in a body that has no room for more.
    Digit(u32),
}

impl Message {
    /// Appends the body, filled up to `size` bytes. It has one at least.
    pub(crate) fn write(self, size: usize, body: &mut Vec<u8>) {
        let start = body.len();
        if size < WHOLE {
            write_digits(self.sequence, 1, body);
        } else {
            for number in [self.channel, self.sequence] {
                write_digits(number, DIGITS, body);
                body.push(b'.');
            }
        }
        body.resize(start + size.max(1), b'x');
    }
}

impl Label {
    /// Reads the start of a body. `None` if no message of ours starts so.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        if let [digit @ b'0'..=b'9', rest @ ..] = body
            && body.len() < WHOLE
            && rest.iter().all(|byte| *byte == b'x')
        {
            return Some(Self::Digit(u32::from(digit - b'0')));
        }
        let (channel, rest) = read_number(body)?;
        let (sequence, _) = read_number(rest)?;
        Some(Self::Whole(Message { channel, sequence }))
    }
}

fn write_digits(number: u32, digits: usize, body: &mut Vec<u8>) {
    let start = body.len();
    body.resize(start + digits, b'0');
    let mut rest = number;
    for digit in body[start..].iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
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
        assert_eq!(Label::read(&body), Some(Label::Whole(message)));
        assert_eq!(Label::read(&body[..WHOLE]), Some(Label::Whole(message)));
    }

    #[test]
    fn a_short_body_says_as_much_as_it_can() {
        for (size, text) in [(0, "8"), (1, "8"), (4, "8xxx"), (17, "8xxxxxxxxxxxxxxxx")] {
            let mut body = Vec::new();
            Message { channel: 12, sequence: 345_678 }.write(size, &mut body);
            assert_eq!(String::from_utf8_lossy(&body), text);
            assert_eq!(Label::read(&body), Some(Label::Digit(8)));
        }
    }

    #[test]
    fn other_bodies_are_no_messages() {
        for body in [&b""[..], b"x", b"00000012.00345678", b"0000001a.00345678.", b"00000012 00345678."] {
            assert_eq!(Label::read(body), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
