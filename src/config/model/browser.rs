//! `modern_browser`, `ancient_browser`: what the variables of that module know.

/// `modern_browser`, `ancient_browser`.
#[derive(Clone, Debug)]
pub struct BrowserConf {
    /// `modern_browser`, in the order they are looked for.
    pub modern: Vec<ModernBrowser>,
    /// `modern_browser unlisted`.
    pub unlisted: bool,
    /// `ancient_browser`: words.
    pub ancient: Vec<Box<[u8]>>,
    /// `ancient_browser netscape4`.
    pub netscape4: bool,
    /// `modern_browser_value`.
    pub modern_value: Box<[u8]>,
    /// `ancient_browser_value`.
    pub ancient_value: Box<[u8]>,
}

/// One `modern_browser`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModernBrowser {
    /// Which.
    pub browser: Browser,
    /// Its first modern version.
    pub version: u64,
}

/// Browsers that are told apart, in the order they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Browser {
    Opera,
    Msie,
    Gecko,
    Safari,
    Konqueror,
}

impl ModernBrowser {
    /// `1.2.3` as one number: six digits behind the first part, two for each of the next three.
    pub fn version(text: &[u8]) -> u64 {
        let mut scale = 1_000_000;
        let mut version = 0u64;
        for part in text.split(|byte| *byte == b'.') {
            let digit = |number: u64, byte: &u8| {
                number.saturating_mul(10).saturating_add(u64::from(byte.saturating_sub(b'0')))
            };
            version = version.saturating_add(part.iter().fold(0, digit).saturating_mul(scale));
            scale /= 100;
        }
        version
    }
}
