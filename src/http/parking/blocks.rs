//! Values by their places, in blocks of memory that neither move nor stay when they are empty.
//!
//! One slab that grows doubles, and copies all that is in it: a pause, and memory of which the allocator keeps what it was
//! copied from. It does not become smaller, either, when a crowd has left.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;

/// Values in one block.
const BLOCK: usize = 256;

/// Values that stay where they are. The place of one that left goes to another.
#[derive(Debug)]
pub(super) struct Blocks<T> {
    blocks: Vec<Slab<T>>,
    /// Blocks that have room. The first is filled first, so that the last become empty: only the first becomes full.
    open: BinaryHeap<Reverse<usize>>,
    len: usize,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), open: BinaryHeap::new(), len: 0 }
    }
}

impl<T> Blocks<T> {
    /// The place that [`Blocks::insert`] gives next.
    pub(super) fn vacant(&self) -> usize {
        let number = self.open.peek().map_or(self.blocks.len(), |Reverse(number)| *number);
        number * BLOCK + self.blocks.get(number).map_or(0, Slab::vacant_key)
    }

    /// Takes a value, and tells its place.
    pub(super) fn insert(&mut self, value: T) -> usize {
        let place = self.vacant();
        let number = place / BLOCK;
        if number == self.blocks.len() {
            self.blocks.push(Slab::new());
            self.open.push(Reverse(number));
        }
        let block = &mut self.blocks[number];
        if block.capacity() == 0 {
            block.reserve_exact(BLOCK);
        }
        block.insert(value);
        if block.len() == BLOCK {
            self.open.pop();
        }
        self.len += 1;
        place
    }

    /// Gives a value back, if there is one at this place.
    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let number = place / BLOCK;
        let block = self.blocks.get_mut(number)?;
        let was_full = block.len() == BLOCK;
        let value = block.try_remove(place % BLOCK)?;
        if was_full {
            self.open.push(Reverse(number));
        }
        self.len -= 1;
        // The first is kept for those who come and go where few are.
        if block.is_empty() && number > 0 {
            *block = Slab::new();
        }
        Some(value)
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.blocks.get(place / BLOCK)?.get(place % BLOCK)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.blocks.get_mut(place / BLOCK)?.get_mut(place % BLOCK)
    }

    pub(super) fn contains(&self, place: usize) -> bool {
        self.get(place).is_some()
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All of them, with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let blocks = self.blocks.iter().enumerate();
        blocks.flat_map(|(number, block)| block.iter().map(move |(at, value)| (number * BLOCK + at, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_beforehand_and_used_again() {
        let mut blocks = Blocks::default();
        for value in 0..1000 {
            let vacant = blocks.vacant();
            assert_eq!((vacant, blocks.insert(value)), (value, value));
        }
        assert_eq!(
            (blocks.remove(700), blocks.remove(300), blocks.remove(300)),
            (Some(700), Some(300), None)
        );
        assert_eq!(
            (blocks.vacant(), blocks.insert(1), blocks.insert(2), blocks.insert(3)),
            (300, 300, 700, 1000)
        );
        assert_eq!((blocks.get(700), blocks.get(1001), blocks.get(1_000_000)), (Some(&2), None, None));
        assert_eq!((blocks.len(), blocks.iter().count()), (1001, 1001));
        assert!(blocks.iter().all(|(place, value)| blocks.get(place) == Some(value)));
    }

    #[test]
    fn blocks_that_are_empty_have_no_memory() {
        let mut blocks = Blocks::default();
        let capacity = |blocks: &Blocks<usize>| blocks.blocks.iter().map(Slab::capacity).sum::<usize>();
        let places: Vec<usize> = (0..10 * BLOCK).map(|value| blocks.insert(value)).collect();
        assert_eq!(capacity(&blocks), 10 * BLOCK);
        places.iter().for_each(|place| assert_eq!(blocks.remove(*place), Some(*place)));
        assert_eq!((capacity(&blocks), blocks.len()), (BLOCK, 0));
        assert!(blocks.insert(7) < BLOCK);
    }
}
