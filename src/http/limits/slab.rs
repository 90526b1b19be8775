//! How much fits into a zone. nginx's zones are cut into pages, and those into slots of a power of two; the sizes that
//! people write into their configurations were chosen for that.

/// Bytes of a page.
const PAGE: usize = 4096;
/// What nginx keeps of each page elsewhere.
const PER_PAGE: usize = 24;
/// What nginx keeps at the beginning of a zone.
const HEADER: usize = 704;
/// Slots of 8 to 2,048 bytes.
const CLASSES: usize = 9;

/// An account of a zone's memory. The memory itself is the allocator's.
#[derive(Debug)]
pub struct Slab {
    pages: usize,
    used: [usize; CLASSES],
    /// Pages of entries that are larger than any slot.
    large: usize,
}

/// A part of a zone that was taken: to be given back with [`Slab::give_back`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A slot of a class.
    Slot(usize),
    /// So many pages.
    Pages(usize),
}

impl Slab {
    /// For a zone of `size` bytes, of which `reserved` entries are nginx's own.
    pub fn new(size: u64, reserved: &[usize]) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut slab =
            Self { pages: size.saturating_sub(HEADER) / (PAGE + PER_PAGE), used: [0; CLASSES], large: 0 };
        for bytes in reserved {
            slab.take(*bytes);
        }
        slab
    }

    /// Takes room for so many bytes, if there is any.
    pub fn take(&mut self, bytes: usize) -> Option<Extent> {
        let extent = extent(bytes);
        let before = self.taken();
        self.change(extent, 1);
        if self.taken() > self.pages && self.taken() > before {
            self.change(extent, -1);
            return None;
        }
        Some(extent)
    }

    /// Gives a part back.
    pub fn give_back(&mut self, extent: Extent) {
        self.change(extent, -1);
    }

    fn change(&mut self, extent: Extent, by: isize) {
        match extent {
            Extent::Slot(class) => self.used[class] = self.used[class].saturating_add_signed(by),
            Extent::Pages(pages) if by > 0 => self.large += pages,
            Extent::Pages(pages) => self.large = self.large.saturating_sub(pages),
        }
    }

    /// Pages that are taken.
    fn taken(&self) -> usize {
        let slots = self.used.iter().enumerate();
        slots.map(|(class, used)| used.div_ceil(per_page(class))).sum::<usize>() + self.large
    }
}

fn extent(bytes: usize) -> Extent {
    let slot = bytes.max(8).next_power_of_two();
    let class = slot.trailing_zeros() as usize - 3;
    if class < CLASSES { Extent::Slot(class) } else { Extent::Pages(bytes.div_ceil(PAGE)) }
}

/// Slots of a page. In pages of small ones nginx keeps its list of them in the first.
fn per_page(class: usize) -> usize {
    let slot = 8 << class;
    let slots = PAGE / slot;
    if slot < 64 { slots - (slots / 8).div_ceil(slot) } else { slots }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nginx 1.22 was seen to keep in zones of `limit_req_zone`.
    #[test]
    fn as_much_fits_as_in_nginx() {
        let measured = [
            (32 << 10, 4, 191),
            (64 << 10, 4, 447),
            (256 << 10, 4, 1983),
            (1 << 20, 5, 8095),
            (32 << 10, 44, 191),
            (32 << 10, 60, 80),
            (32 << 10, 200, 40),
            (32 << 10, 1000, 10),
        ];
        for (size, key, expected) in measured {
            let mut slab = Slab::new(size, &super::super::requests::RESERVED);
            let count = std::iter::from_fn(|| slab.take(super::super::requests::NODE + key)).count();
            assert_eq!(count, expected, "{size} bytes, keys of {key}");
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut slab = Slab::new(32 << 10, &[]);
        let taken: Vec<Extent> = std::iter::from_fn(|| slab.take(5000)).collect();
        assert_eq!(taken.len(), 3);
        taken.into_iter().for_each(|extent| slab.give_back(extent));
        assert_eq!(std::iter::from_fn(|| slab.take(2048)).count(), 14);
    }
}
