//! Settings that each request may have anew.

use std::time::Duration;

use super::super::super::template::Template;
use super::super::super::value;

/// A value written down, or one that each request has anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// The value.
    Fixed(T),
    /// Text with variables that comes to the value.
    PerRequest(Template),
}

/// Why the text of a [`Setting::PerRequest`] is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is empty.
    Missing,
    /// It is not understood.
    Invalid,
}

/// How a setting is written.
pub trait Written: Sized {
    /// The value of `text`, `None` if it has none.
    fn read(text: &[u8]) -> Option<Self>;
}

impl<T: Written + Clone> Setting<T> {
    /// The value for a request whose variables `render` knows.
    ///
    /// # Errors
    /// The variables come to nothing, or to something else.
    pub fn resolve(&self, render: impl FnOnce(&Template) -> Vec<u8>) -> Result<T, Unusable> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::PerRequest(template) => match render(template) {
                text if text.is_empty() => Err(Unusable::Missing),
                text => T::read(&text).ok_or(Unusable::Invalid),
            },
        }
    }
}

/// A number of things.
impl Written for u32 {
    fn read(text: &[u8]) -> Option<Self> {
        value::number(text).map(|number| Self::try_from(number).unwrap_or(Self::MAX))
    }
}

/// A size in bytes.
impl Written for u64 {
    fn read(text: &[u8]) -> Option<Self> {
        value::decimal_size(text)
    }
}

/// A time in seconds; 0 is never.
impl Written for Option<Duration> {
    fn read(text: &[u8]) -> Option<Self> {
        value::seconds(text).map(|seconds| (seconds > 0).then(|| Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_with_variables_is_read_for_each_request() {
        let fixed: Setting<u32> = Setting::Fixed(3);
        assert_eq!(fixed.resolve(|_| Vec::new()), Ok(3));
        let varies: Setting<Option<Duration>> = Setting::PerRequest(Template::default());
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(varies.resolve(|_| b"1h".to_vec()), Ok(hour));
        assert_eq!(varies.resolve(|_| b"0".to_vec()), Ok(None));
        assert_eq!(varies.resolve(|_| Vec::new()), Err(Unusable::Missing));
        assert_eq!(varies.resolve(|_| b"soon".to_vec()), Err(Unusable::Invalid));
    }
}
