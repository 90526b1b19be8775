//! Variables that are computed on demand: `map`, `geo`, `split_clients`. Here is what a configuration says of them;
//! `request::computed` evaluates them.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use super::hostnames::HostTable;
use super::regex::Regex;
use super::template::Template;
use super::value::{self, Network};
use super::variable::Variable;

/// A variable that is computed on demand.
#[derive(Clone, Debug)]
pub struct Computed {
    /// From what.
    pub source: Source,
    /// `volatile`: computed anew each time.
    pub volatile: bool,
}

/// What a variable is computed from.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Source {
    Map(Map),
    Geo(Geo),
    SplitClients(SplitClients),
}

// === map ===

/// A `map`.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// What is looked up.
    pub source: Template,
    /// `hostnames`: a dot at the end of what is looked up does not count.
    pub hostnames: bool,
    /// Strings and masks.
    pub table: HostTable<Template>,
    /// `~` and `~*`, in order.
    pub regexes: Vec<(Regex, Template)>,
    /// `default`; empty without.
    pub default: Template,
}

impl Map {
    /// Every value it may have.
    pub fn values(&self) -> impl Iterator<Item = &Template> {
        self.table.values().chain(self.regexes.iter().map(|(_, value)| value)).chain([&self.default])
    }
}

// === geo ===

/// A `geo`.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    /// Where the address is taken from, if not from the connection.
    pub address: Option<Variable>,
    /// `proxy`: whose `X-Forwarded-For` is trusted.
    pub proxies: Vec<Network>,
    /// `proxy_recursive`.
    pub recursive: bool,
    /// The values.
    pub table: GeoTable,
}

/// Values by address.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum GeoTable {
    Networks(Networks),
    Ranges(Ranges),
}

impl Default for GeoTable {
    fn default() -> Self {
        Self::Networks(Networks::default())
    }
}

impl GeoTable {
    /// The value for an address; empty if there is none. `None` stands for what is no address: nginx takes it for the last
    /// one of IPv4.
    pub fn find(&self, address: Option<IpAddr>) -> &[u8] {
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::BROADCAST)).to_canonical();
        let found = match self {
            Self::Networks(networks) => networks.find(address),
            Self::Ranges(ranges) => Some(ranges.find(address)),
        };
        found.unwrap_or_default()
    }
}

/// Values by network; the smallest one that fits counts.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    values: HashMap<(IpAddr, u8), Box<[u8]>>,
    /// Prefix lengths that occur, longest first.
    v4: Vec<u8>,
    v6: Vec<u8>,
}

impl Networks {
    /// Adds a network, and gives back its old value.
    pub fn insert(&mut self, network: Network, value: &[u8]) -> Option<Box<[u8]>> {
        let lengths = if network.address.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        if let Err(at) = lengths.binary_search_by(|length| network.prefix.cmp(length)) {
            lengths.insert(at, network.prefix);
        }
        self.values.insert((network.address, network.prefix), value.into())
    }

    /// Takes a network out; whether it was there.
    pub fn remove(&mut self, network: Network) -> bool {
        self.values.remove(&(network.address, network.prefix)).is_some()
    }

    fn find(&self, address: IpAddr) -> Option<&[u8]> {
        let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let mut found =
            lengths.iter().filter_map(|length| self.values.get(&(value::mask(address, *length), *length)));
        found.next().map(|value| &**value)
    }
}

/// Values by range of IPv4 addresses. As in nginx they are kept in blocks of 65,536 addresses: a range that spans several
/// is one in each.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    blocks: BTreeMap<u16, Vec<Range>>,
    /// `default`.
    pub default: Option<Box<[u8]>>,
}

#[derive(Clone, Debug)]
struct Range {
    start: u16,
    end: u16,
    value: Box<[u8]>,
}

/// Another range that a new one overlaps without lying inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap(pub Ipv4Addr, pub Ipv4Addr);

impl Ranges {
    /// Adds a range, and gives back the values it replaced, one for each block.
    ///
    /// # Errors
    /// The range it overlaps.
    pub fn insert(
        &mut self,
        first: Ipv4Addr,
        last: Ipv4Addr,
        value: &[u8],
    ) -> Result<Vec<Box<[u8]>>, Overlap> {
        let mut replaced = Vec::new();
        for (block, start, end) in blocks(first, last) {
            let ranges = self.blocks.entry(block).or_default();
            let new = Range { start, end, value: value.into() };
            match insert(ranges, new) {
                Ok(old) => replaced.extend(old),
                Err((start, end)) => return Err(Overlap(address(block, start), address(block, end))),
            }
        }
        Ok(replaced)
    }

    /// Takes a range out; whether all of it was there.
    pub fn remove(&mut self, first: Ipv4Addr, last: Ipv4Addr) -> bool {
        let mut whole = true;
        for (block, start, end) in blocks(first, last) {
            let ranges = self.blocks.entry(block).or_default();
            let found = ranges.iter().position(|range| (range.start, range.end) == (start, end));
            whole &= found.is_some();
            found.map(|at| ranges.remove(at));
        }
        whole
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    fn find(&self, address: IpAddr) -> &[u8] {
        let default = self.default.as_deref().unwrap_or_default();
        let IpAddr::V4(address) = address else { return default };
        let (block, low) = halves(address);
        let ranges = self.blocks.get(&block).map_or(&[][..], Vec::as_slice);
        let mut fitting = ranges.iter().filter(|range| (range.start..=range.end).contains(&low));
        fitting.next().map_or(default, |range| &range.value)
    }
}

/// A range block by block: the upper half of the addresses, the first and the last lower half.
fn blocks(first: Ipv4Addr, last: Ipv4Addr) -> impl Iterator<Item = (u16, u16, u16)> {
    let ((from, start), (to, end)) = (halves(first), halves(last));
    (from..=to).map(move |block| {
        (block, if block == from { start } else { 0 }, if block == to { end } else { u16::MAX })
    })
}

fn halves(address: Ipv4Addr) -> (u16, u16) {
    let [a, b, c, d] = address.octets();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn address(block: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (block.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

/// Puts a range where it belongs: between others, in place of one, or inside of one, which it then cuts.
fn insert(ranges: &mut Vec<Range>, new: Range) -> Result<Option<Box<[u8]>>, (u16, u16)> {
    let behind = ranges.partition_point(|range| range.start <= new.end);
    let Some(at) = behind.checked_sub(1).filter(|at| ranges[*at].end >= new.start) else {
        ranges.insert(behind, new);
        return Ok(None);
    };
    let old = &mut ranges[at];
    if (old.start, old.end) == (new.start, new.end) {
        return Ok(Some(std::mem::replace(&mut old.value, new.value)));
    }
    if new.start < old.start || new.end > old.end {
        return Err((old.start, old.end));
    }
    let before = (new.start > old.start).then(|| Range { end: new.start - 1, ..old.clone() });
    let after = (new.end < old.end).then(|| Range { start: new.end + 1, ..old.clone() });
    ranges.splice(at..=at, before.into_iter().chain([new]).chain(after));
    Ok(None)
}

// === split_clients ===

/// A `split_clients`.
#[derive(Clone, Debug, Default)]
pub struct SplitClients {
    /// What is hashed.
    pub key: Template,
    /// The parts, in order.
    pub parts: Vec<Part>,
}

/// A part of a `split_clients`.
#[derive(Clone, Debug)]
pub struct Part {
    /// The hash it reaches up to (not included); `None` is the rest (`*`).
    pub end: Option<u32>,
    /// Its value.
    pub value: Box<[u8]>,
}

impl SplitClients {
    /// The value for a key.
    pub fn find(&self, key: &[u8]) -> &[u8] {
        let hash = murmur2(key);
        let found = self.parts.iter().find(|part| part.end.is_none_or(|end| hash < end));
        found.map(|part| &*part.value).unwrap_or_default()
    }
}

/// MurmurHash2 of 32 bits with the seed 0, as nginx documents for `split_clients`.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word = word.try_into().map_or(0, u32::from_le_bytes).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_inside_of_another_cuts_it() {
        let mut ranges = Ranges { default: Some((*b"none").into()), ..Ranges::default() };
        ranges.insert(v4("10.0.0.0"), v4("10.1.0.255"), b"a").unwrap();
        ranges.insert(v4("10.0.255.250"), v4("10.1.0.5"), b"b").unwrap();
        for (address, expected) in [
            ("9.255.255.255", "none"),
            ("10.0.0.0", "a"),
            ("10.0.255.249", "a"),
            ("10.0.255.250", "b"),
            ("10.1.0.5", "b"),
            ("10.1.0.6", "a"),
            ("10.1.1.0", "none"),
        ] {
            assert_eq!(ranges.find(v4(address).into()), expected.as_bytes(), "{address}");
        }
        let overlap = ranges.insert(v4("10.1.0.200"), v4("10.1.2.0"), b"c");
        assert_eq!(overlap, Err(Overlap(v4("10.1.0.6"), v4("10.1.0.255"))));
        assert!(!ranges.remove(v4("10.0.0.0"), v4("10.1.0.255")));
        assert!(ranges.remove(v4("10.0.255.250"), v4("10.1.0.5")));
        assert_eq!(ranges.find(v4("10.1.0.5").into()), b"none");
    }

    #[test]
    fn the_smallest_network_counts_and_ipv4_may_be_written_as_ipv6() {
        let mut networks = Networks::default();
        for (network, value) in [("10.0.0.0/8", "big"), ("10.1.0.0/16", "small"), ("::/0", "six")] {
            networks.insert(value::network(network.as_bytes()).unwrap(), value.as_bytes());
        }
        let table = GeoTable::Networks(networks);
        for (address, expected) in [
            ("10.1.2.3", "small"),
            ("10.2.2.3", "big"),
            ("11.0.0.0", ""),
            ("::1", "six"),
            ("::ffff:10.1.0.1", "small"),
        ] {
            assert_eq!(table.find(address.parse().ok()), expected.as_bytes(), "{address}");
        }
    }

    /// The values are those of the reference implementation.
    #[test]
    fn murmur_hash_of_known_texts() {
        for (text, hash) in [("", 0), ("a", 0x92685f5e), ("abcd", 0x26873021)] {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }
}
